"""The report's charts as inline SVG: pure functions from numbers to markup.

Every rate is drawn with its interval, and told apart by shape as well as by colour.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skillrl_app.report.html import Html, join
from skillrl_app.report.intervals import Interval
from skillrl_app.report.svg import (
    LETTER,
    Canvas,
    Scale,
    Series,
    band,
    clipped,
    legend,
    line,
    mark,
    polyline,
    staircase,
    text,
    ticks,
)
from skillrl_app.report.wording import percent

DOT_ROOM = 15
"""Pixels a dot needs; a line with less room per point is drawn without dots."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One rate with its interval in a row of a dot chart."""

    series: Series
    interval: Interval
    note: str
    """What is written beside it, such as "31/50"."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a dot chart: what is compared, and its dots."""

    label: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class LinePoint:
    """One iteration of a line chart."""

    x: int
    interval: Interval
    aside: float | None = None
    """A second rate, drawn dashed and without an interval."""
    marker: str | None = None
    """What happened here, written over the chart."""


@dataclass(frozen=True, slots=True)
class Steps:
    """One count over time, as stairs."""

    series: Series
    values: tuple[int, ...]


def dot_chart(rows: Sequence[Row], series: Sequence[Series], canvas: Canvas) -> Html:
    """Rates on a shared axis from 0 to 100 %, one line each with its interval.

    Wide charts write the label left of its rows, narrow ones above them.
    """
    shapes, y = legend(series, canvas)
    left = 256.0 if canvas.wide else 10.0
    notes = LETTER * max([5, *(len(dot.note) for row in rows for dot in row.dots)]) + 14
    scale = Scale(0, 1, left, canvas.width - notes - 46)
    top, body = y, []
    y += 8
    for row in rows:
        if not canvas.wide:
            body.append(text(0, y + 13, clipped(row.label, canvas.width), class_="strong"))
            y += 20
        middle = y + 9 + 18 * (len(row.dots) - 1) / 2
        if canvas.wide:
            label = clipped(row.label, (left - 18) * 0.9)  # bold letters are wider
            body.append(text(left - 16, middle + 4, label, anchor="end", class_="strong"))
        for dot in row.dots:
            body.append(_dot(dot, scale, y + 9, canvas.width, notes))
            y += 18
        y += 12
    return canvas.draw(y + 18, _percent_grid(scale, top, y - 4), shapes, *body)


def line_chart(points: Sequence[LinePoint], name: str, aside: str, canvas: Canvas) -> Html:
    """A rate over iterations in its interval band, with markers along the top.

    Args:
        points: In the order of x, at least one.
        name: Legend of the rate.
        aside: Legend of the dashed second rate, left out where no point has one.
        canvas: Where to draw.
    """
    main, second = Series(name, "given", "disc"), Series(aside, "none", "dash")
    asides = [(p.x, p.aside) for p in points if p.aside is not None]
    shapes, top = legend([main, second] if asides else [main], canvas)
    marked = any(point.marker for point in points)
    top += 26 if marked else 8
    bottom = top + (210 if canvas.wide else 170)
    x = Scale(points[0].x, points[-1].x, 44, canvas.width - 14)
    y = Scale(0, 1, bottom, top)
    upper = [(x(p.x), y(p.interval.high)) for p in points]
    lower = [(x(p.x), y(p.interval.low)) for p in points]
    middle = [(x(p.x), y(p.interval.estimate)) for p in points]
    return canvas.draw(
        bottom + 42,
        shapes,
        _percent_rows(y, 38, canvas.width),
        _whole_axis(x, ticks(points[0].x, points[-1].x, 10 if canvas.wide else 5), bottom),
        text((44 + canvas.width - 14) / 2, bottom + 38, "iteration", anchor="middle"),
        _markers(points, x, top, bottom),
        band(upper, lower) if len(points) > 1 else line(*upper[0], *lower[0], "whisker given"),
        polyline([(x(at), y(value)) for at, value in asides], "path dashed none") if asides else "",
        polyline(middle, "path given"),
        *(mark(main, *at) for at in middle if len(middle) * DOT_ROOM <= canvas.width),
    )


def step_chart(
    revisions: Sequence[int], stairs: Sequence[Steps], axis: str, canvas: Canvas
) -> Html:
    """Counts that change at revisions and stay in between."""
    shapes, top = legend([one.series for one in stairs], canvas)
    top += 8
    bottom = top + (180 if canvas.wide else 150)
    high = max([1, *(value for one in stairs for value in one.values)])
    # Half a revision more, so that the last step has a length.
    x = Scale(revisions[0], revisions[-1] + 0.5, 44, canvas.width - 2)
    y = Scale(0, high * 1.08, bottom, top)
    rows = [
        join([line(38, y(n), canvas.width, y(n), "grid"), _left_label(n, y(n))])
        for n in ticks(0, high, 4)
    ]
    paths: list[Html] = []
    marks: list[Html] = []
    for one in stairs:
        dots = [(x(r), y(value)) for r, value in zip(revisions, one.values, strict=True)]
        # Nothing is drawn before the first skill, where all series would lie on 0.
        first = next((at for at, n in enumerate(one.values) if n), len(dots) - 1)
        steps = [*staircase(dots[max(0, first - 1) :]), (x.end, dots[-1][1])]
        paths.append(polyline(steps, f"path {one.series.tone} {one.series.shape}"))
        marks += [mark(one.series, *d) for d, n in zip(dots, one.values, strict=True) if n]
    return canvas.draw(
        bottom + 42,
        shapes,
        *rows,
        _whole_axis(x, ticks(revisions[0], revisions[-1], 10 if canvas.wide else 5), bottom),
        text((44 + canvas.width - 14) / 2, bottom + 38, axis, anchor="middle"),
        *paths,
        *marks,
    )


def _dot(dot: Dot, scale: Scale, y: float, width: float, notes: float) -> Html:
    low, high = scale(dot.interval.low), scale(dot.interval.high)
    tone = f"whisker {dot.series.tone}"
    return join(
        [
            line(low, y, high, y, tone),
            line(low, y - 3, low, y + 3, tone),
            line(high, y - 3, high, y + 3, tone),
            mark(dot.series, scale(dot.interval.estimate), y),
            text(width - notes, y + 4, percent(dot.interval.estimate), anchor="end"),
            text(width - 2, y + 4, dot.note, anchor="end", class_="faint"),
        ]
    )


def _percent_grid(scale: Scale, top: float, bottom: float) -> Html:
    return join(
        join(
            [
                line(scale(n / 4), top, scale(n / 4), bottom, "grid"),
                text(scale(n / 4), bottom + 16, percent(n / 4), anchor="middle", class_="faint"),
            ]
        )
        for n in range(5)
    )


def _percent_rows(scale: Scale, left: float, right: float) -> Html:
    return join(
        join(
            [
                line(left, scale(n / 4), right, scale(n / 4), "grid"),
                _left_label(percent(n / 4), scale(n / 4)),
            ]
        )
        for n in range(5)
    )


def _left_label(label: str | int, y: float) -> Html:
    return text(32, y + 4, label, anchor="end", class_="faint")


def _whole_axis(scale: Scale, values: Sequence[int], y: float) -> Html:
    return join(text(scale(n), y + 18, n, anchor="middle", class_="faint") for n in values)


def _markers(points: Sequence[LinePoint], x: Scale, top: float, bottom: float) -> Html:
    shapes: list[Html] = []
    free_from = 0.0
    for point in points:
        if point.marker is None:
            continue
        at = x(point.x)
        shapes.append(line(at, top - 8, at, bottom, "event"))
        length = LETTER * len(point.marker)
        anchor, start = ("end", at - length) if at + length > x.end else ("start", at)
        if start >= free_from:
            shapes.append(text(at, top - 13, point.marker, anchor=anchor, class_="faint"))
            free_from = start + length + 6
    return join(shapes)
