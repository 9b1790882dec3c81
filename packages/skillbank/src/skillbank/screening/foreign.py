"""Other languages: the commonest order in them, and how to tell that a text is not English.

The rules over wordings know English. What they cannot read should not pass unread, so a
stretch of another language is a finding. A bank in another language wants a screen of its
own.
"""

from skillbank.screening.rules import foreign
from skillbank.screening.sign import Sign, Signs
from skillbank.screening.text import Text

_NEAR = 6
_SPAN = 8


def abroad(text: Text) -> Signs:
    """Yield at most one sign of an order in, or of a stretch of, another language."""
    tokens = text.words.tokens
    found = _order_in_pieces(text.visible.casefold()) or _order_in_words(tokens)
    if found:
        why = "tells the reader, in another language, to drop the instructions it was given"
        yield Sign("instruction-override", why, found)
        return
    function_words = foreign().function_words
    for at, token in enumerate(tokens):
        span = tokens[at : at + _SPAN]
        if token in function_words and len(function_words.intersection(span)) >= 3:
            why = "has a stretch that is not English, which the rules cannot read"
            yield Sign("unreadable", why, " ".join(span))
            return


def _order_in_pieces(lowered: str) -> str | None:
    if lowered.isascii():
        return None
    for verbs, nouns in foreign().pieces:
        verb = next((verb for verb in verbs if verb in lowered), None)
        if verb and any(noun in lowered for noun in nouns):
            return verb
    return None


def _order_in_words(tokens: tuple[str, ...]) -> str | None:
    known = foreign()
    for at, verb in enumerate(tokens):
        if not verb.startswith(known.verbs):
            continue
        near = tokens[max(0, at - _NEAR) : at + _NEAR + 1]
        for verbs, nouns in known.words:
            for noun in near if verb.startswith(verbs) else ():
                if noun.startswith(nouns) and not known.english.issuperset((verb, noun)):
                    return f"{verb} {noun}"
    return None
