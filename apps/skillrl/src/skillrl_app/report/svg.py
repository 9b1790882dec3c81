"""What every chart is drawn with: a canvas, scales, marks, a legend."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, log10

from skillrl_app.report.html import Child, Html, join, tag

LETTER = 6.6
"""Width of one letter of the 12 px label font, a little generous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Canvas:
    """Where a chart is drawn, and what it says to someone who cannot see it."""

    key: str
    """Unique on the page; names the chart's title and description."""
    title: str
    description: str
    width: int
    """In px of the finished page, so that 12 px text stays 12 px."""

    @property
    def wide(self) -> bool:
        """There is room for labels beside the rows."""
        return self.width >= 500

    def draw(self, height: float, *shapes: Child) -> Html:
        """Return the finished chart."""
        names = (f"{self.key}-t", f"{self.key}-d")
        return tag(
            "svg",
            tag("title", self.title, id=names[0]),
            tag("desc", self.description, id=names[1]),
            *shapes,
            viewBox=f"0 0 {self.width} {height:.0f}",
            role="img",
            aria_labelledby=" ".join(names),
            class_="chart",
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to pixels along one axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return where `value` lies; a scale without extent puts it in the middle."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True, slots=True)
class Series:
    """A kind of mark: its name in the legend, its colour and its shape."""

    name: str
    tone: str
    """One of the tones that the style sheet gives a colour."""
    shape: str
    """disc, ring, square, diamond or dash: told apart without any colour."""


def text(x: float, y: float, content: Child, *, anchor: str = "start", class_: str = "") -> Html:
    """A label whose baseline starts, centres or ends at (x, y)."""
    return tag("text", content, x=x, y=y, text_anchor=anchor, class_=class_ or None)


def line(x1: float, y1: float, x2: float, y2: float, class_: str) -> Html:
    """A straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def mark(series: Series, x: float, y: float) -> Html:
    """The series' mark, centred on (x, y)."""
    tone = f"mark {series.tone}"
    if series.shape == "dash":
        return line(x - 9, y, x + 9, y, f"path dashed {series.tone}")
    if series.shape == "square":
        return tag("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, class_=tone)
    if series.shape == "diamond":
        diamond = f"M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"
        return tag("path", d=diamond, class_=tone)
    hollow = " hollow" if series.shape == "ring" else ""
    return tag("circle", cx=x, cy=y, r=5, class_=tone + hollow)


def legend(series: Sequence[Series], canvas: Canvas, y: float = 14) -> tuple[Html, float]:
    """Marks with their names, wrapped to the canvas; and the height they take."""
    shapes: list[Html] = []
    x = 10.0
    for one in series:
        needed = 14 + LETTER * len(one.name) + 22
        if x > 10 and x + needed > canvas.width:
            x, y = 10.0, y + 20
        shapes += [mark(one, x, y), text(x + 13, y + 4, one.name)]
        x += needed
    return join(shapes), y + 14


def polyline(dots: Iterable[tuple[float, float]], class_: str) -> Html:
    """A line through the given points."""
    return tag("path", d=_through(dots), class_=class_)


def band(upper: Sequence[tuple[float, float]], lower: Sequence[tuple[float, float]]) -> Html:
    """The area between two lines, such as the bounds of an interval."""
    return tag("path", d=_through([*upper, *reversed(lower)]) + "z", class_="band")


def staircase(dots: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Add the corners that turn a line into steps."""
    corners = [((after[0], before[1]), after) for before, after in pairwise(dots)]
    return [*dots[:1], *(point for pair in corners for point in pair)]


def ticks(low: int, high: int, most: int) -> list[int]:
    """At most about `most` round whole numbers from `low` to `high`."""
    span = max(1, high - low)
    power = 10 ** floor(log10(max(1.0, span / most)))
    step = next(power * n for n in (1, 2, 5, 10) if span / (power * n) <= most)
    first = -(-low // step) * step
    return list(range(first, high + 1, step))


def clipped(label: str, pixels: float) -> str:
    """Cut a label that would run out of its room."""
    room = max(4, int(pixels / LETTER))
    return label if len(label) <= room else f"{label[: room - 1]}\u2026"


def _through(dots: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in dots)
