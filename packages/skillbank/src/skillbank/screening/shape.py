"""What is wrong with the form of a text, whatever it says: length, repetition, script."""

import re
import unicodedata
from collections import Counter

from skillbank.screening.sign import Sign, Signs
from skillbank.screening.text import Text
from skillbank.screening.vocabulary import looks_english

MOST = {"title": 200, "principle": 700, "when_to_apply": 400, "category": 60}
"""Characters that a short skill may need; principles have about 200 as a rule."""
_SAME_CHARACTER = re.compile(r"([^\s_.-])\1{7}|([_.-])\2{19}")
_LONGEST_WORD = 45
_WINDOW, _FEWEST = 12, 6
"""Words that are looked at together, and the fewest that a verdict needs."""
_STYLED = re.compile("[\uff01-\uff5e\U0001d400-\U0001d7ff\u24b6-\u24e9\U0001f130-\U0001f189]")
# Greek letters that look Latin, Cyrillic, Armenian, Cherokee. Units keep their ohm and mu.
_ALIEN = (
    "\u0391\u0392\u0395-\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"
    "\u03b1\u03b5\u03b9\u03ba\u03bd\u03bf\u03c1\u03c4\u03c5\u03c7\u0400-\u058f\u13a0-\u13ff"
)
_MIXED = re.compile(f"[a-zA-Z][{_ALIEN}]|[{_ALIEN}][a-zA-Z]")


def misshapen(field: str, text: Text) -> Signs:
    """Yield what is wrong with the form of one field of prose."""
    if len(text.raw) > (limit := MOST[field]):
        why = f"is far longer than a short skill needs ({limit} characters)"
        yield Sign("over-length", why, text.raw[:40])
    if excerpt := _repetition(text):
        why = "repeats itself, which crowds out the rest of a prompt"
        yield Sign("repetition", why, excerpt)
    if excerpt := _odd_letters(text):
        why = "uses letters that look like others, which hides words"
        yield Sign("look-alike-letters", why, excerpt)
    if excerpt := _spaced_out(text):
        yield Sign("spaced-letters", "sets letters apart, which hides words", excerpt)
    if excerpt := _unreadable(text):
        why = "has a stretch that is hardly English, so that the rules cannot read it"
        yield Sign("unreadable", why, excerpt)


def _repetition(text: Text) -> str | None:
    if found := _SAME_CHARACTER.search(text.visible):
        return found.group()
    tokens = text.words.tokens
    for at in range(len(tokens) - 3):
        if len(set(tokens[at : at + 4])) == 1:
            return " ".join(tokens[at : at + 4])
    if len(tokens) < 12:
        return None
    triple, times = Counter(zip(tokens, tokens[1:], tokens[2:], strict=False)).most_common(1)[0]
    if times >= 4 and times * 9 >= len(tokens):
        return " ".join(triple)
    word, times = Counter(tokens).most_common(1)[0]
    return word if times >= 10 and times * 3 >= len(tokens) else None


def _odd_letters(text: Text) -> str | None:
    if text.raw.isascii():
        return None
    if len(found := _STYLED.findall(text.raw)) >= 3:
        return "".join(found)
    mixed = _MIXED.search(text.visible)
    return mixed.group() if mixed else None


def _spaced_out(text: Text) -> str | None:
    letters = "".join(text.words.spaced)
    if len(letters) < 6 or letters.isdigit() or letters == "".join(sorted(letters)):
        return None  # "a, b, c, d, e, f" is a list
    return " ".join(text.words.spaced)


def _unreadable(text: Text) -> str | None:
    visible, tokens = text.visible, text.words.tokens
    letters = [char for char in visible if char.isalpha()]
    alien = [char for char in letters if not unicodedata.name(char, "").startswith("LATIN")]
    if len(alien) >= 12 or len(alien) * 4 > len(letters) >= 8:
        return "".join(alien)
    signs = sum(not char.isalnum() and not char.isspace() for char in visible)
    if len(visible) >= 30 and signs * 3 > len(visible):
        return visible
    if long := next((token for token in tokens if len(token) > _LONGEST_WORD), None):
        return long
    known = [token.isdigit() or looks_english(token) for token in tokens]
    window = min(_WINDOW, len(known))
    for at in range(len(known) - window + 1) if window >= _FEWEST else ():
        if sum(known[at : at + window]) * 6 <= window:
            return " ".join(tokens[at : at + window])
    return None
