"""Evaluations side by side: which stages, which arms, which marks and words."""

from collections.abc import Sequence

from skillrl_app.report.charts import Dot
from skillrl_app.report.data import STAGES, Arm, EvalResult, Tally
from skillrl_app.report.html import Html, join, tag
from skillrl_app.report.intervals import Interval, wilson
from skillrl_app.report.svg import Series
from skillrl_app.report.wording import between, percent, points, signed

ARMS: dict[Arm, Series] = {
    "skills given": Series("skills given", "given", "disc"),
    "skills withheld": Series("skills withheld", "withheld", "ring"),
    "no skills": Series("no skills", "none", "square"),
}
"""How each arm is drawn, and the order in which one is preferred for a headline."""


def by_split(results: Sequence[EvalResult]) -> dict[str, list[EvalResult]]:
    """The evaluations of each split, in the order the splits first appear."""
    splits = dict.fromkeys(result.split for result in results)
    return {split: [r for r in results if r.split == split] for split in splits}


def stages(results: Sequence[EvalResult]) -> list[str]:
    """The stages to show: the usual three in order, then labels of the caller's own."""
    return [*STAGES, *dict.fromkeys(r.label for r in results if r.label not in STAGES)]


def arms_at(results: Sequence[EvalResult], label: str) -> list[EvalResult]:
    """The evaluations of one stage, the preferred arm first."""
    return sorted((r for r in results if r.label == label), key=lambda r: list(ARMS).index(r.arm))


def dots(arms: Sequence[EvalResult], category: str | None = None) -> tuple[Dot, ...]:
    """One dot per arm, over all games or over one task type."""
    found = []
    for result in arms:
        tallies = [result.overall] if category is None else result.by_category()
        for tally in tallies:
            rate = wilson(tally.wins, tally.n)
            if rate is not None and category in (None, tally.name):
                found.append(Dot(ARMS[result.arm], rate, f"{tally.wins}/{tally.n}"))
    return tuple(found)


def rate_text(tally: Tally) -> str:
    """Such as "71% (62% to 79%), 71/100"."""
    rate = wilson(tally.wins, tally.n)
    if rate is None:
        return "no games"
    return f"{percent(rate.estimate)} ({between(rate)}), {tally.wins}/{tally.n}"


def said(result: EvalResult, tally: Tally) -> str:
    """A tally as a chart's text alternative has it."""
    return f"{result.label}, {tally.name}: {rate_text(tally)}"


def rate_cell(tally: Tally) -> Html | str:
    """A tally for a table: the rate, and under it the interval and the counts."""
    rate = wilson(tally.wins, tally.n)
    if rate is None:
        return "no games"
    return _two_lines(percent(rate.estimate), f"{between(rate)}, {tally.wins}/{tally.n}")


def difference_cell(interval: Interval) -> Html:
    """A paired difference for a table: the mean, and under it the interval."""
    if interval.low == interval.high:
        return _two_lines(points(interval.estimate), "no interval: every game alike")
    bounds = f"{signed(interval.low)} to {signed(interval.high)}"
    return _two_lines(points(interval.estimate), bounds)


def _two_lines(first: str, second: str) -> Html:
    return join([first, tag("br"), tag("small", second)])
