"""Rules over wordings: how a text is held against them."""

from dataclasses import dataclass
from functools import cache

from skillbank.screening.phrases import Element, Pattern, Phrases
from skillbank.screening.rules import WordingRule, lexicon, wordings
from skillbank.screening.sign import Sign, Signs
from skillbank.screening.words import Words

_NEGATION_REACH = 4
"""Words after "not" or "never" in which an order is taken as a warning."""


@dataclass(frozen=True, slots=True)
class _Wording:
    rule: WordingRule
    pattern: Pattern
    warnable: bool


@dataclass(frozen=True, slots=True)
class _Grammar:
    """All compiled wordings, and what makes an order harmless."""

    phrases: Phrases
    wordings: tuple[_Wording, ...]
    by_first: dict[int, list[int]]
    """Numbers of the wordings whose first element has a number."""
    negation: Element
    describing: Element
    naming: Element


@cache
def _grammar() -> _Grammar:
    phrases = Phrases(lexicon())
    compiled = tuple(
        _Wording(rule, phrases.compile(pattern), warnable)
        for rule in wordings()
        for pattern, warnable in rule.patterns
    )
    by_first: dict[int, list[int]] = {}
    for number, wording in enumerate(compiled):
        by_first.setdefault(wording.pattern.elements[0].number, []).append(number)
    return _Grammar(
        phrases=phrases,
        wordings=compiled,
        by_first=by_first,
        negation=phrases.element("{negation}"),
        describing=phrases.element("{describing}"),
        naming=phrases.element("{naming}"),
    )


def told(words: Words, only: frozenset[str] | None = None) -> Signs:
    """Yield a sign for every rule that the words break, each rule once.

    Args:
        words: Of one text.
        only: The rules to apply; None for all.
    """
    grammar = _grammar()
    found = grammar.phrases.occurrences(words)
    exempt = found.behind(grammar.negation, _NEGATION_REACH)
    exempt |= found.behind(grammar.describing, 0) | found.behind(grammar.naming, 0)
    broken: set[str] = set()
    begun = (number for first in found.starts for number in grammar.by_first.get(first, ()))
    for wording in map(grammar.wordings.__getitem__, sorted(begun)):
        rule = wording.rule
        if rule.name in broken or (only is not None and rule.name not in only):
            continue
        end = found.end_of(wording.pattern, exempt if wording.warnable else 0)
        if end is not None:
            broken.add(rule.name)
            yield Sign(rule.name, rule.why, words.excerpt(end))
