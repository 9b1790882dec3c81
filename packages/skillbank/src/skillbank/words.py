"""The words of a text, roughly as Postgres' English configuration sees them."""

import re

from skillbank.drafts import Worded

_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be but by for from has have how if in into is it its no not of on "
        "or so some such that the their them then there these they this to was what when where "
        "which while who will with you your",
    )
)


def words_of(text: str) -> frozenset[str]:
    """Return the stems of a text's words without the commonest ones."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return frozenset(_stem(word) for word in words if word not in _STOP_WORDS)


def shared_words(words: Worded, terms: frozenset[str]) -> float:
    """Return how many of `terms` a skill's text has."""
    text = f"{words.title} {words.principle} {words.when_to_apply}"
    return float(len(terms & words_of(text)))


def _stem(word: str) -> str:
    stem = re.sub(r"(?<=\w{3})(?:ing|ed|es|s)$", "", word)
    return re.sub(r"(?<=\w{2})(?:e|(?<=(.))\1)$", "", stem)
