"""A small language for wordings, and a matcher whose work is bounded.

A pattern is a row of elements with, between them, how many other words may stand there:

    {drop} 4 previous|prior 2 {rules}

An element is `{name}`, a class of the lexicon, or alternatives joined by `|`. `a_b` is two
words in a row, `instruct*` any word that starts so. `^` wants the next element at the start
of a sentence or after a colon, `,` at the start of a clause, which is also after a comma. A
final `:` wants a colon behind it. Nothing matches across the end of a sentence.

Matching keeps sets of positions as bits of an integer (see `words`). An element costs one
shift per word that may stand before it and one per length of its alternatives, so a pattern
costs the same few integer operations on any text: there is nothing to backtrack into.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from skillbank.screening.words import Words

_SHORTEST_STEM, _LONGEST_STEM = 4, 12


@dataclass(frozen=True, slots=True)
class Element:
    """One part of a pattern."""

    number: int
    """Of its set of alternatives, within one `Phrases`."""
    gap: int = 0
    """Most words between it and the element before."""
    anchor: str = ""
    """"^" for the start of a sentence, "," of a clause, else empty."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    elements: tuple[Element, ...]
    before_colon: bool


@dataclass(slots=True)
class Phrases:
    """Compiles patterns over one lexicon, and finds their elements in texts."""

    lexicon: Mapping[str, Sequence[str]]
    _numbers: dict[str, int] = field(default_factory=dict)
    _by_word: dict[str, list[tuple[tuple[str, ...], int]]] = field(default_factory=dict)
    _by_stem: dict[str, list[int]] = field(default_factory=dict)

    def compile(self, pattern: str) -> Pattern:
        """Raise KeyError for a class that the lexicon does not have."""
        elements: list[Element] = []
        gap, anchor = 0, ""
        parts = pattern.split()
        before_colon = parts[-1] == ":"
        for part in parts[: len(parts) - before_colon]:
            if part.isdigit():
                gap = int(part)
            elif part in ("^", ","):
                anchor = part
            else:
                elements.append(self.element(part, gap=gap, anchor=anchor))
                gap, anchor = 0, ""
        return Pattern(tuple(elements), before_colon)

    def element(self, alternatives: str, *, gap: int = 0, anchor: str = "") -> Element:
        """Return one element of a pattern, known from now on to `occurrences`."""
        if alternatives not in self._numbers:
            self._numbers[alternatives] = len(self._numbers)
            for phrase in dict.fromkeys(self._spelled_out(alternatives)):
                self._learn(phrase, self._numbers[alternatives])
        return Element(self._numbers[alternatives], gap, anchor)

    def occurrences(self, words: Words) -> "Occurrences":
        """Return where every known element starts in a text."""
        starts: dict[int, dict[int, int]] = {}
        for at, token in enumerate(words.tokens):
            for rest, number in self._by_word.get(token, ()):
                if not rest or words.runs_on(at + 1, rest):
                    lengths = starts.setdefault(number, {})
                    lengths[1 + len(rest)] = lengths.get(1 + len(rest), 0) | 1 << at
            for size in range(_SHORTEST_STEM, min(len(token), _LONGEST_STEM) + 1):
                for number in self._by_stem.get(token[:size], ()):
                    lengths = starts.setdefault(number, {})
                    lengths[1] = lengths.get(1, 0) | 1 << at
        return Occurrences(words, starts)

    def _learn(self, phrase: str, number: int) -> None:
        first, *rest = phrase.split("_")
        if phrase.endswith("*"):
            self._by_stem.setdefault(phrase[:-1], []).append(number)
        else:
            self._by_word.setdefault(first, []).append((tuple(rest), number))

    def _spelled_out(self, alternatives: str) -> Iterator[str]:
        for one in alternatives.split("|"):
            if one.startswith("{"):
                yield from self.lexicon[one.strip("{}")]
            else:
                yield one


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where elements start in one text: positions by number of element and length in words."""

    words: Words
    starts: Mapping[int, Mapping[int, int]]

    def end_of(self, pattern: Pattern, exempt: int = 0) -> int | None:
        """Return the position behind the first match, or None.

        Args:
            pattern: What to look for, compiled by the same `Phrases`.
            exempt: Positions at which the first element does not count.
        """
        if any(element.number not in self.starts for element in pattern.elements):
            return None
        ends = 0
        for index, element in enumerate(pattern.elements):
            if index == 0:
                window = self.words.everywhere & ~exempt
            else:
                window = self._spread(ends, element.gap, self.words.hard)
            if element.anchor:
                window &= self.words.starts(of_clauses=element.anchor == ",")
            ends = self._ends(element, window)
        if pattern.before_colon:
            ends &= self.words.colon
        return (ends & -ends).bit_length() - 1 if ends else None

    def behind(self, element: Element, reach: int) -> int:
        """Return the positions up to `reach` words behind an element, in the same clause."""
        return self._spread(self._ends(element, self.words.everywhere), reach, self.words.soft)

    def _ends(self, element: Element, allowed: int) -> int:
        ends = 0
        for length, starts in self.starts.get(element.number, {}).items():
            ends |= (starts & allowed) << length
        return ends

    @staticmethod
    def _spread(positions: int, reach: int, barriers: int) -> int:
        positions &= ~barriers
        for _ in range(reach):
            positions |= positions << 1 & ~barriers
        return positions
