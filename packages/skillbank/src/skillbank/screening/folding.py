"""One spelling for many disguises: text as a reader takes it in.

Invisible characters go, compatibility forms (full-width, mathematical, circled) and accents
become plain letters, and letters of other scripts that look Latin become Latin ones.
"""

import re
import unicodedata

from skillbank.screening.rules import lookalikes

_GONE = frozenset({"Cf", "Cs", "Co", "Cn"})
_SPACE = frozenset({"Cc", "Zl", "Zp", "Zs"})
# Letters and symbols by category, yet drawn as nothing.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_QUOTES = dict.fromkeys(map(ord, "\u2018\u2019\u201b\u02bc\u00b4`"), "'") | dict.fromkeys(
    map(ord, "\u201c\u201d\u201f\u00ab\u00bb"), '"'
)
# Regional indicators, which show as letters where no flag is made of them.
_FLAGS = {0x1F1E6 + number: chr(ord("a") + number) for number in range(26)}
_SPACES = re.compile(r" {2,}")


def hidden_characters(text: str) -> list[str]:
    """Return the characters of `text` that a reader cannot see, in order."""
    if text.isascii() and text.isprintable():
        return []
    return [char for char in text if _is_hidden(char)]


def visible(text: str) -> str:
    """Return `text` without invisible characters, in compatibility form, case kept."""
    if not text.isascii() or not text.isprintable():
        text = "".join(
            " " if unicodedata.category(char) in _SPACE else char
            for char in text
            if not _vanishes(char)
        )
        text = unicodedata.normalize("NFKC", text).translate(_DASHES).translate(_QUOTES)
    # Two are kept: between letters set apart they show where a word ends.
    return _SPACES.sub("  ", text)


def fold(text: str) -> str:
    """Return visible text in lower-case Latin letters as far as it looks like them."""
    if text.isascii():
        return text.casefold()
    capital, small = lookalikes()
    plain = unicodedata.normalize("NFKD", text.translate(_FLAGS).translate(capital))
    plain = "".join(char for char in plain if unicodedata.category(char) != "Mn")
    return plain.casefold().translate(small)


def _vanishes(char: str) -> bool:
    return unicodedata.category(char) in _GONE or char in _BLANK or "\ufe00" <= char <= "\ufe0f"


def _is_hidden(char: str) -> bool:
    category = unicodedata.category(char)
    return category in _GONE or char in _BLANK or category in ("Cc", "Zl", "Zp")
