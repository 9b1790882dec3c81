"""How training went: the learning curve, and the rounds that changed the bank."""

from collections.abc import Sequence

from skillrl_app.report.blocks import figure, folded, missing, section, table
from skillrl_app.report.charts import LinePoint, line_chart
from skillrl_app.report.data import CurvePoint, Decision, EvolutionRound, ReportData
from skillrl_app.report.html import Child, Html, join, tag
from skillrl_app.report.intervals import Interval, wilson
from skillrl_app.report.svg import Canvas
from skillrl_app.report.wording import between, percent, plural


def learning_curve(data: ReportData) -> Html:
    """Success of the training rollouts over iterations."""
    kept = [(p, rate) for p in data.learning_curve if (rate := wilson(p.wins, p.n))]
    if not kept:
        return section(
            "learning", "Learning curve", missing("Reinforcement learning: not run yet.")
        )
    points = _line_points(kept)

    def draw(canvas: Canvas) -> Html:
        return line_chart(points, "success of training rollouts", "invalid replies", canvas)

    (first, start), (last, end) = kept[0], kept[-1]
    described = (
        f"From {percent(start.estimate)} at iteration {first.iteration} "
        f"to {percent(end.estimate)} at iteration {last.iteration}."
    )
    caption = (
        "Band: 95% Wilson interval. Dotted lines: a new revision of the bank. "
        "These are sampled training games, so the curve shows "
        "progress; the evaluation above measures it."
    )
    chart = figure("curve", "Learning curve", described, caption, draw)
    numbers = folded("The numbers behind this chart", _curve_table(kept))
    return section("learning", "Learning curve", chart, numbers)


def evolution(data: ReportData) -> Html:
    """Every look at the failures, and what became of each proposal."""
    if not data.evolution:
        return section(
            "evolution", "Evolution rounds", missing("Evolution of the bank: not run yet.")
        )
    rows: list[list[Child]] = [
        [
            f"iteration {one.iteration}",
            "\u2013" if one.bank_revision is None else f"revision {one.bank_revision}",
            one.seen,
            one.asked,
            one.answered,
            sum(d.accepted for d in one.decisions),
            sum(not d.accepted for d in one.decisions),
        ]
        for one in data.evolution
    ]
    head: list[Child] = ["Round", "Made", "Failures seen", "Asked", "Answered"]
    caption = "From training failures to changes of the bank"
    overview = table(caption, [*head, "Accepted", "Rejected"], rows, numeric=5)
    return section("evolution", "Evolution rounds", overview, *map(_round, data.evolution))


def _line_points(kept: Sequence[tuple[CurvePoint, Interval]]) -> list[LinePoint]:
    points = []
    revision: int | None = None
    for point, rate in kept:
        changed = point.bank_revision is not None and point.bank_revision != revision
        marker = f"rev {point.bank_revision}" if changed else None
        points.append(LinePoint(point.iteration, rate, point.invalid_rate, marker))
        revision = point.bank_revision if changed else revision
    return points


def _curve_table(kept: Sequence[tuple[CurvePoint, Interval]]) -> Html:
    rows: list[list[Child]] = [
        [
            point.iteration,
            f"{percent(rate.estimate)} ({between(rate)})",
            f"{point.wins}/{point.n}",
            "\u2013" if point.invalid_rate is None else percent(point.invalid_rate),
            "\u2013" if point.bank_revision is None else point.bank_revision,
        ]
        for point, rate in kept
    ]
    head: list[Child] = ["Iteration", "Success", "Won", "Invalid replies", "Bank revision"]
    return table("Training rollouts per iteration", head, rows, numeric=4)


def _round(one: EvolutionRound) -> Html | None:
    if not one.decisions and one.error is None:
        return None
    error = tag("p", "Broke off: ", one.error, class_="missing") if one.error is not None else None
    label = plural(len(one.decisions), "proposal") if one.error is None else "broke off"
    decided = tag("ul", join(map(_decision, one.decisions)), class_="decisions")
    return folded(f"Iteration {one.iteration}: {label}", error, decided if one.decisions else None)


def _decision(one: Decision) -> Html:
    verdict = "\u2713 accepted" if one.accepted else "\u2717 rejected"
    return tag(
        "li",
        tag("span", verdict, class_="good" if one.accepted else "bad"),
        f" {one.action} ",
        tag("strong", one.title, dir="auto"),
        tag("p", one.why, class_="faint", dir="auto"),
    )
