"""Findings as short plain English."""

from collections.abc import Container, Sequence

from skillrl_distiller.abstraction import ANY, OBJECT, TARGET, WORDS, Pattern

MAX_WORDS = 25
_MAX_ACTION_WORDS = 8
_SPOKEN = {
    OBJECT: "the object",
    TARGET: "the target",
    WORDS: "the words of the task",
    ANY: "...",
}


def phrase(pattern: Pattern) -> str:
    """Return an abstract action as words; what differs everywhere is left out at its end."""
    kept = list(pattern)
    if len(kept) > 3 and kept[-1] == ANY:
        kept = kept[:-2]
    while len(kept) > 1 and kept[-1] == ANY:
        kept.pop()
    return " ".join(_SPOKEN.get(word, word) for word in kept[:_MAX_ACTION_WORDS])


def in_order(steps: Sequence[Pattern], twice: Container[Pattern] = ()) -> str:
    """Return steps as one sentence of at most MAX_WORDS words; the first ones go first."""
    said = [phrase(step) + (" (twice)" if step in twice else "") for step in steps]
    while True:
        text = f"in this order: {'; '.join(said)}."
        if len(text.split()) <= MAX_WORDS or len(said) == 1:
            return text
        said.pop(0)


def tasks_of(category: str | None) -> str:
    """Return when a skill of that category applies."""
    return "any task" if category is None else f"tasks of the kind {category}"


def short(text: str) -> str:
    """Return at most MAX_WORDS words of `text`."""
    words = text.split()
    return text if len(words) <= MAX_WORDS else " ".join(words[:MAX_WORDS])
