"""Success per task type, with intervals, and every stage behind it."""

from collections.abc import Sequence

from skillrl_app.report.blocks import figure, folded, missing, section, table
from skillrl_app.report.charts import Row, dot_chart
from skillrl_app.report.compare import ARMS, arms_at, by_split, dots, rate_cell, said, stages
from skillrl_app.report.data import EvalResult, ReportData
from skillrl_app.report.html import Child, Html, join, tag
from skillrl_app.report.svg import Canvas


def task_types(data: ReportData) -> Html:
    """Success per task type, at the latest stage of every split."""
    if not data.evals:
        return section("types", "Success per task type", missing("Evaluation: not run yet."))
    splits = by_split(data.evals).items()
    parts = (_split(place, name, results) for place, (name, results) in enumerate(splits))
    return section("types", "Success per task type", *parts)


def _split(place: int, split: str, results: Sequence[EvalResult]) -> Html:
    played = [label for label in stages(results) if arms_at(results, label)]
    latest = arms_at(results, played[-1])
    names = sorted({t.name for result in latest for t in result.by_category()})
    rows = [Row(name, dots(latest, name)) for name in names]
    used = [ARMS[result.arm] for result in latest]
    facts = "; ".join(f"{said(r, t)} ({r.arm})" for r in latest for t in r.by_category())

    def draw(canvas: Canvas) -> Html:
        return dot_chart(rows, used, canvas)

    title = f"Success per task type on {split} games, {played[-1]}"
    caption = f"Measured {played[-1]}, with 95% Wilson intervals"
    return join(
        [
            tag("h3", "Games of ", split, dir="auto"),
            figure(f"types-{place}", title, facts, caption, draw),
            folded("Every stage and arm per task type", _types_table(results, split)),
        ]
    )


def _types_table(results: Sequence[EvalResult], split: str) -> Html:
    order = [result for label in stages(results) for result in arms_at(results, label)]
    names = sorted({t.name for result in order for t in result.by_category()})
    tallies = [{t.name: t for t in result.by_category()} for result in order]
    head: list[Child] = ["Task type", *(f"{r.label}, {r.arm}" for r in order)]
    rows: list[list[Child]] = [
        [name, *(rate_cell(t[name]) if name in t else "\u2013" for t in tallies)] for name in names
    ]
    return table(f"Success per task type on {split} games", head, rows, numeric=len(order))
