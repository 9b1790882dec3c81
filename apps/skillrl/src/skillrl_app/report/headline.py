"""The first thing on the page: how often the agent succeeds, stage by stage."""

from collections.abc import Sequence

from skillrl_app.report.blocks import figure, missing, section, table
from skillrl_app.report.charts import Row, dot_chart
from skillrl_app.report.compare import (
    ARMS,
    arms_at,
    by_split,
    difference_cell,
    dots,
    rate_cell,
    said,
    stages,
)
from skillrl_app.report.data import Arm, EvalResult, ReportData
from skillrl_app.report.html import Child, Html, tag
from skillrl_app.report.intervals import Interval, paired_interval, wilson
from skillrl_app.report.svg import Canvas
from skillrl_app.report.wording import (
    between,
    difference_text,
    percent,
    plural,
)

Stage = tuple[str, Sequence[EvalResult]]
"""A stage's label and its evaluations, the preferred arm first."""


def headline(data: ReportData) -> Html:
    """Success per stage, and what the skills contribute, for every split."""
    if not data.evals:
        return section("results", "Success", missing("Evaluation: not run yet."))
    splits = by_split(data.evals).items()
    parts = (_split(place, name, results) for place, (name, results) in enumerate(splits))
    return section("results", "Success", *parts)


def _split(place: int, split: str, results: Sequence[EvalResult]) -> Html:
    shown = [(label, arms_at(results, label)) for label in stages(results)]
    cards: list[Html] = []
    before: EvalResult | None = None
    for label, arms in shown:
        cards.append(_card(label, arms[0] if arms else None, before))
        before = arms[0] if arms else before
    return tag(
        "div",
        tag("h3", "Games of ", split, dir="auto"),
        tag("ol", *cards, class_="stages"),
        _uplift_lead(shown),
        _arms_figure(place, split, [item for item in shown if item[1]]),
        _uplift_table(shown),
        class_="split",
    )


def _card(label: str, result: EvalResult | None, before: EvalResult | None) -> Html:
    if result is None:
        return tag("li", tag("h4", label), missing("not run yet"), class_="stage empty")
    rate = wilson(result.overall.wins, result.overall.n)
    if rate is None:
        return tag("li", tag("h4", label), missing("no games"), class_="stage")
    change = paired_interval(result.minus(before)) if before else None
    since = f"{difference_text(change)} since {before.label}" if before and change else None
    return tag(
        "li",
        tag("h4", label),
        tag("p", percent(rate.estimate), class_="figure"),
        tag("p", f"95% interval {between(rate)}"),
        tag("p", f"{result.arm}, {result.overall.wins}/{result.overall.n} won", class_="faint"),
        tag("p", since, class_="change") if since else None,
        class_="stage",
    )


def _pairs(shown: Sequence[Stage]) -> list[tuple[str, EvalResult, EvalResult]]:
    """Skills given and withheld, for the stages where both were measured."""
    found = []
    for label, arms in shown:
        by_arm: dict[Arm, EvalResult] = {result.arm: result for result in arms}
        given, withheld = by_arm.get("skills given"), by_arm.get("skills withheld")
        if given is not None and withheld is not None:
            found.append((label, given, withheld))
    return found


def _uplift_lead(shown: Sequence[Stage]) -> Html:
    pairs = _pairs(shown)
    if not pairs:
        return missing("Comparison of skills given with skills withheld: not run yet.")
    label, given, withheld = pairs[-1]
    differences = given.minus(withheld)
    return _uplift_sentence(label, paired_interval(differences), len(differences))


def _uplift_table(shown: Sequence[Stage]) -> Html | None:
    rows: list[list[Child]] = []
    for label, given, withheld in _pairs(shown):
        differences = given.minus(withheld)
        interval = paired_interval(differences)
        text = difference_cell(interval) if interval else "too few shared games"
        rates = (rate_cell(given.overall), rate_cell(withheld.overall))
        rows.append([label, *rates, text, f"{len(differences):,}"])
    if not rows:
        return None
    caption = "Skills given beside withheld: one policy, the same games"
    head: list[Child] = ["Stage", "Given", "Withheld", "Given \u2212 withheld", "Shared games"]
    return table(caption, head, rows, numeric=4)


def _uplift_sentence(label: str, interval: Interval | None, games: int) -> Html:
    if interval is None:
        return tag("p", f"Too few games were played both with and without skills {label}.")
    if interval.low == interval.high:
        text = f"Giving the same policy its skills, {label}: {difference_text(interval)}."
        return tag("p", text, class_="lead")
    reading = (
        "The interval contains 0: these games do not show that the skills help."
        if interval.contains(0)
        else f"The interval excludes 0: on these games the skills {_verb(interval)}."
    )
    return tag(
        "p",
        f"Giving the same policy its skills, {label}, changes success by ",
        tag("strong", difference_text(interval)),
        f" over {plural(games, 'shared game')}. ",
        reading,
        class_="lead",
    )


def _arms_figure(place: int, split: str, shown: Sequence[Stage]) -> Html:
    rows = [Row(label, dots(arms)) for label, arms in shown]
    used = [ARMS[arm] for arm in ARMS if any(r.arm == arm for _, arms in shown for r in arms)]
    facts = "; ".join(said(r, r.overall) for _, arms in shown for r in arms)

    def draw(canvas: Canvas) -> Html:
        return dot_chart(rows, used, canvas)

    caption = "Success rate with 95% Wilson interval; at the right, episodes won of episodes played"
    title = f"Success by stage on {split} games"
    return figure(f"arms-{place}", title, facts, caption, draw)


def _verb(interval: Interval) -> str:
    return "help" if interval.low > 0 else "hurt"
