"""What a run cost so far, what it was configured with, and how to repeat it."""

from collections.abc import Sequence

from skillrl_app.report.blocks import folded, missing, section, table
from skillrl_app.report.data import Fact, ReportData
from skillrl_app.report.html import Child, Html, tag
from skillrl_app.report.wording import count, dollars, plural


def costs(data: ReportData) -> Html:
    """Quantities and prices per stage; an unknown price is never taken for 0."""
    if not data.costs:
        return section("costs", "Cost so far", missing("No cost has been recorded yet."))
    known = [row.price for row in data.costs if row.price is not None]
    unknown = len(data.costs) - len(known)
    if not known:
        total = f"Unknown: none of the {plural(len(data.costs), 'row')} has a price."
    elif unknown:
        total = f"{dollars(sum(known))} known; {plural(unknown, 'row')} more of unknown price."
    else:
        total = f"{dollars(sum(known))} in all."
    rows: list[list[Child]] = [
        [row.stage, row.what, f"{count(row.quantity)} {row.unit}", dollars(row.price)]
        for row in data.costs
    ]
    head: list[Child] = ["Stage", "What", "Quantity", "Price (US dollars)"]
    used = table("What each stage used", head, rows, numeric=2)
    return section("costs", "Cost so far", tag("p", total, class_="lead"), used)


def setup(data: ReportData) -> Html:
    """The commands that repeat the run, its environment and its configuration."""
    commands = tag("pre", tag("code", "\n".join(data.reproduce)), tabindex=0)
    return section(
        "setup",
        "How to reproduce",
        commands if data.reproduce else missing("No command has been recorded."),
        _facts("The environment", data.environment),
        folded("The resolved configuration", _facts("Every setting", data.config))
        if data.config
        else None,
    )


def _facts(caption: str, facts: Sequence[Fact]) -> Html | None:
    if not facts:
        return None
    rows: list[list[Child]] = [[fact.name, fact.value] for fact in facts]
    return table(caption, ["Name", "Value"], rows, numeric=0)
