"""Whether a word is English, as far as can be told without a dictionary."""

from skillbank.screening.rules import common_words

_ENDINGS = ("s", "es", "ed", "d", "ing", "ly", "er", "r", "ion")
# fmt: off
_ENGLISH_ENDINGS = (
    "ing", "ings", "ed", "ly", "ness", "less", "ful", "ity", "ities", "tion", "tions", "sion",
    "sions", "ement", "ements", "able", "ous", "ical", "ship", "ence", "ences", "ized",
)
# fmt: on
_LONG_ENOUGH = 6
"""Letters from which on an ending says something."""


def looks_english(word: str) -> bool:
    """Tell whether a lower-case word is common, or is built like an English one."""
    known = common_words()
    if (
        len(word) == 1
        or word in known
        or (len(word) >= _LONG_ENOUGH and word.endswith(_ENGLISH_ENDINGS))
    ):
        return True
    stems = (word[: -len(ending)] for ending in _ENDINGS if word.endswith(ending))
    return any(stem in known or stem + "e" in known for stem in stems)
