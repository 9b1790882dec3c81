"""The words that the screen looks for, kept in text files beside this module.

`lexicon.txt` holds classes of words, `wordings/RULE.txt` the patterns of one rule (see
`phrases` for how they read), `marks.txt` regular expressions, `machinery.txt` weighted
words, `common_words.txt` plain English, `foreign.txt` other languages, `lookalikes.txt`
letters. A line that is indented deeper than the one before goes on with it; `#` starts a
comment.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class WordingRule:
    """One file of `wordings`."""

    name: str
    why: str
    """A clause with the field as its subject."""
    patterns: tuple[tuple[str, bool], ...]
    """(pattern, whether "never ..." in front of it makes it harmless)."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """What is known of other languages; stems and pieces are tuples for `str.startswith`."""

    words: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """(stems of "disregard", stems of "instructions") per language."""
    pieces: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    """The same for scripts without Latin letters, anywhere in a word."""
    verbs: tuple[str, ...]
    """The first halves of `words`, all together."""
    english: frozenset[str]
    """English words that begin like those stems."""
    function_words: frozenset[str]


def lexicon() -> Mapping[str, tuple[str, ...]]:
    """Return the classes of words by name."""
    return {name: tuple(" ".join(lines).split()) for name, lines in _sections("lexicon.txt")}


def marks() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Return (why, expressions) by rule."""
    return {
        rule: (why.removeprefix("why "), tuple(expressions))
        for rule, (why, *expressions) in _sections("marks.txt")
    }


def machinery() -> Mapping[str, Mapping[int, tuple[str, ...]]]:
    """Return words by their kind and their points, 1 or 2."""
    kinds = {}
    for kind, lines in _sections("machinery.txt"):
        split = [line.split() for line in lines]
        kinds[kind] = {int(points): tuple(words) for points, *words in split}
    return kinds


@cache
def foreign() -> Foreign:
    """Return what is known of other languages."""
    sections = dict(_sections("foreign.txt"))
    words, pieces = (_pairs(sections[name]) for name in ("words", "pieces"))
    return Foreign(
        words=words,
        pieces=pieces,
        verbs=tuple(verb for verbs, _ in words for verb in verbs),
        english=frozenset(" ".join(sections["english"]).split()),
        function_words=frozenset(" ".join(sections["function words"]).split()),
    )


@cache
def lookalikes() -> tuple[Mapping[int, str], Mapping[int, str]]:
    """Return two tables for `str.translate`: of capital letters, of small ones."""
    sections = dict(_sections("lookalikes.txt"))
    capital, small = (
        {ord(look): latin for latin, *looks in map(str.split, lines) for look in looks}
        for lines in (sections["capital"], sections["small"])
    )
    return capital, small


@cache
def common_words() -> frozenset[str]:
    """Return common English words in lower case."""
    return frozenset(" ".join(_lines("common_words.txt")).split())


def wordings() -> tuple[WordingRule, ...]:
    """Return the rules over wordings, by name."""
    folder = files(__name__) / "wordings"
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".txt"))
    return tuple(_wording(name) for name in names)


def _wording(file: str) -> WordingRule:
    path = f"wordings/{file}"
    why = next(line for line in _lines(path) if line.startswith("why: "))
    patterns = tuple(
        (line, heading == "unless warned of")
        for heading, lines in _sections(path)
        for line in lines
    )
    return WordingRule(file.removesuffix(".txt"), why.removeprefix("why: "), patterns)


def _pairs(lines: list[str]) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    """Return (verbs, nouns) of lines like "verb verb = noun noun"; `_` stands for a space."""
    halves = (line.split(" = ") for line in lines)
    return tuple(
        (tuple(verbs.replace("_", " ").split(" ")), tuple(nouns.split(" ")))
        for verbs, nouns in halves
    )


def _sections(path: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (heading, its lines), with continued lines joined."""
    heading, lines = "", list[str]()
    for line in _lines(path):
        depth = len(line) - len(line.lstrip())
        if depth == 0:
            if lines:
                yield heading, lines
            heading, lines = line.rstrip(":"), []
        elif depth <= 2 or not lines:
            lines.append(line.strip())
        else:
            lines[-1] += ("" if lines[-1].endswith("|") else " ") + line.strip()
    if lines:
        yield heading, lines


def _lines(path: str) -> list[str]:
    text = (files(__name__) / path).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
