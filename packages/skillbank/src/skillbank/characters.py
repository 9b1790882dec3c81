"""Characters that a reader cannot see, and how to get rid of them.

Skill text is written by models that read untrusted pages, so invisible characters
(control codes, direction overrides, zero-width marks) count as an attack, not as style.
"""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def first_hidden(text: str) -> int | None:
    """Return the index of the first character without a visible form, or None."""
    if text.isascii() and text.isprintable():
        return None
    return next((i for i, char in enumerate(text) if _is_hidden(char)), None)


def on_one_line(text: str) -> str:
    """Return `text` with hidden characters and runs of white space as single spaces."""
    return " ".join("".join(" " if _is_hidden(char) else char for char in text).split())


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _HIDDEN
