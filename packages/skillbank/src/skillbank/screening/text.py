"""A text in the forms that the rules read."""

from dataclasses import dataclass

from skillbank.screening.folding import fold, visible
from skillbank.screening.words import Words, words_of


@dataclass(frozen=True, slots=True)
class Text:
    """One field of a draft."""

    raw: str
    visible: str
    """Without invisible characters, in compatibility form, case kept."""
    plain: str
    """The same in lower case, with look-alike letters as Latin ones."""
    words: Words


def read(raw: str) -> Text:
    """Return the forms of a text; any text can be read."""
    seen = visible(raw)
    plain = fold(seen)
    return Text(raw=raw, visible=seen, plain=plain, words=words_of(plain))
