"""Text as a row of words, with the places where a sentence ends.

Positions count gaps, not words: position p lies before word p. Sets of positions are
integers, bit p for position p, so that a rule costs a few integer operations on any text.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_APOSTROPHE = re.compile(r"(?<=[^\W_])'(?=[^\W_])")
_HARD = re.compile(r"[.!?\u3002\uff01\uff1f](?:[\"')\]]|\s|$)|[|\u2022]")
# What opens brackets or quotation marks is none: "click[buy now]", "(e.g. ...)".
_SOFT = re.compile(r"[,;:)\]}\u2026]|--|- ")
SPACED_RUN = 4
"""So many single letters in a row are read as words with their letters set apart."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one text."""

    tokens: tuple[str, ...]
    hard: int
    """Positions where a sentence ends."""
    soft: int
    """Positions where a clause ends, sentences included."""
    colon: int
    spaced: tuple[str, ...]
    """Words that were written with their letters set apart."""

    @property
    def everywhere(self) -> int:
        """Every position at which a word starts."""
        return (1 << len(self.tokens)) - 1

    def starts(self, *, of_clauses: bool) -> int:
        """Return where a sentence, or what follows a colon, starts; or else a clause."""
        return 1 | self.hard | (self.soft if of_clauses else self.colon)

    def runs_on(self, at: int, expected: Sequence[str]) -> bool:
        """Tell whether the words from `at` on are these, in the sentence of the one before."""
        end = at + len(expected)
        within = (1 << end) - (1 << at)
        return self.tokens[at:end] == expected and not self.hard & within

    def excerpt(self, end: int, length: int = 8) -> str:
        """Return the last words before a position."""
        return " ".join(self.tokens[max(0, end - length) : end])


def words_of(plain: str) -> Words:
    """Read a text that is folded already (see `folding`)."""
    text = _APOSTROPHE.sub("", plain)
    found = list(_WORD.finditer(text))
    starts = [match.start() for match in found[1:]] + [len(text)]
    between = [text[match.end() : start] for match, start in zip(found, starts, strict=False)]
    joined = list(_join_spaced([match.group() for match in found], between))
    hard = soft = colon = 0
    for position, (_, after, _) in enumerate(joined, start=1):
        if after != " ":
            hard |= bool(_HARD.search(after)) << position
            soft |= bool(_SOFT.search(after)) << position
            colon |= (":" in after) << position
    if hard.bit_count() * 2 > len(joined) > 3:
        hard = 0  # a full stop behind every other word ends no sentence
    return Words(
        tokens=tuple(word for word, _, _ in joined),
        hard=hard,
        soft=soft | hard,
        colon=colon,
        spaced=tuple(word for word, _, spaced in joined if spaced),
    )


def _join_spaced(tokens: Sequence[str], between: Sequence[str]) -> Iterator[tuple[str, str, bool]]:
    """Yield (word, what follows it, whether its letters stood apart)."""
    at = 0
    while at < len(tokens):
        run = at
        while run < len(tokens) and len(tokens[run]) == 1:
            run += 1
        if run - at < SPACED_RUN:
            run = max(run, at + 1)
            yield from ((tokens[i], between[i], False) for i in range(at, run))
        else:
            # What stands oftenest between letters separates letters; anything else, words.
            inner = Counter(between[at : run - 1]).most_common(1)[0][0]
            word = ""
            for i in range(at, run):
                word += tokens[i]
                if i + 1 == run or between[i] != inner:
                    yield word, between[i], len(word) > 1
                    word = ""
        at = run
