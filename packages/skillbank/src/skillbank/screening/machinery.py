"""Whether a text speaks of the machinery around the agent instead of the agent's task.

A skill says what to do in kitchens, shops and libraries. Words for prompts, makers, graders,
secrets, oversight and other skills each have an innocent use, so one of them says nothing;
several kinds of them in one short text do.
"""

from functools import cache

from skillbank.screening.phrases import Element, Phrases
from skillbank.screening.rules import machinery
from skillbank.screening.sign import Sign, Signs
from skillbank.screening.words import Words

WHY = "speaks of the machinery around the agent (prompts, makers, grading, secrets, other skills)"
THRESHOLD = 3
"""Points at which a text is off its topic; ordinary skills have 0 or 1."""


def points(words: Words) -> int:
    """Add up the kinds of such words in a text: 2 for an unmistakable one, 1 for another."""
    phrases, kinds = _kinds()
    starts = phrases.occurrences(words).starts
    return sum(
        max((points for points, element in kind if element.number in starts), default=0)
        for kind in kinds
    )


def off_topic(words: Words) -> Signs:
    """Yield at most one sign."""
    if points(words) >= THRESHOLD:
        yield Sign("machinery", WHY, words.excerpt(end=8))


@cache
def _kinds() -> tuple[Phrases, tuple[tuple[tuple[int, Element], ...], ...]]:
    phrases = Phrases({})
    kinds = tuple(
        tuple((points, phrases.element("|".join(words))) for points, words in kind.items())
        for kind in machinery().values()
    )
    return phrases, kinds
