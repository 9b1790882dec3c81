"""The skill bank: how it grew, and every skill with its origin and its record."""

from collections.abc import Mapping

from skillbank.skill import Citation, Skill, Status
from skillrl_app.report.blocks import figure, folded, missing, section, table
from skillrl_app.report.charts import Steps, step_chart
from skillrl_app.report.data import BankSkill, GrowthPoint, ReportData
from skillrl_app.report.html import Child, Html, join, tag
from skillrl_app.report.intervals import wilson
from skillrl_app.report.svg import Canvas, Series
from skillrl_app.report.wording import between, dollars, percent, plural

_SIGNS: dict[Status, str] = {
    "active": "\u25cf",
    "candidate": "\u25d0",
    "draft": "\u25cb",
    "retired": "\u2013",
    "quarantined": "\u26a0",
}
_LINES = (
    Series("active", "given", "disc"),
    Series("candidate", "withheld", "ring"),
    Series("retired", "none", "square"),
    Series("quarantined", "bad", "diamond"),
)


def bank(data: ReportData, places: Mapping[str, int]) -> Html:
    """Growth and skills; a cited trajectory in `places` is linked to its replay."""
    if not data.bank and not data.bank_growth:
        return section("bank", "The skill bank", missing("Distillation: not run yet."))
    order = list(_SIGNS)
    skills = sorted(data.bank, key=lambda one: order.index(one.skill.status))
    shares = {s: sum(one.skill.status == s for one in skills) for s in order}
    tally = ", ".join(f"{n} {status}" for status, n in shares.items() if n)
    return section(
        "bank",
        "The skill bank",
        tag("p", f"{plural(len(skills), 'skill')}: {tally}.") if skills else None,
        _growth(data.bank_growth),
        _explained() if skills else missing("No skill is in the bank yet."),
        tag("ul", join(_card(one, places) for one in skills), class_="skills") if skills else None,
    )


def _growth(points: tuple[GrowthPoint, ...]) -> Html | None:
    if not points:
        return None
    counts = (
        tuple(p.active for p in points),
        tuple(p.candidate for p in points),
        tuple(p.retired for p in points),
        tuple(p.quarantined for p in points),
    )
    stairs = [
        Steps(series, values)
        for series, values in zip(_LINES, counts, strict=True)
        if series.name == "active" or any(values)
    ]

    def draw(canvas: Canvas) -> Html:
        return step_chart([p.revision for p in points], stairs, "bank revision", canvas)

    last = points[-1]
    described = (
        f"{points[0].active} active at revision {points[0].revision}, "
        f"{last.active} at revision {last.revision}."
    )
    rows: list[list[Child]] = [
        [p.revision, p.when, p.active, p.candidate, p.retired, p.quarantined] for p in points
    ]
    head: list[Child] = ["Revision", "Made by", *(series.name.capitalize() for series in _LINES)]
    numbers = table("Skills per bank revision", head, rows, numeric=4)
    return join(
        [
            figure(
                "growth", "Growth of the bank", described, "Skills by status per revision", draw
            ),
            folded("The numbers behind this chart", numbers),
        ]
    )


def _explained() -> Html:
    return tag(
        "p",
        "Skills were written by a teacher from what the agent went through, and are quoted "
        "as they stand. \u201cWon when shown\u201d is a record, not an effect: the skills "
        "shown also depend on the game.",
        class_="faint",
    )


def _card(one: BankSkill, places: Mapping[str, int]) -> Html:
    skill = one.skill
    about = skill.kind if skill.category is None else f"{skill.kind}: {skill.category}"
    reason = tag("p", "Reason: ", skill.status_reason) if skill.status_reason else None
    return tag(
        "li",
        tag(
            "p",
            tag("span", f"{_SIGNS[skill.status]} {skill.status}", class_=f"badge {skill.status}"),
            " ",
            tag("span", about, class_="kind"),
        ),
        tag("h3", skill.title, dir="auto"),
        tag("p", skill.principle, dir="auto"),
        tag("p", tag("span", "When: ", class_="faint"), skill.when_to_apply, dir="auto"),
        reason,
        tag("dl", *_pair("Shown", _record(one)), *_origin(skill, places)),
        class_=f"skill is-{skill.status}",
    )


def _record(one: BankSkill) -> str:
    rate = wilson(one.wins, one.shown)
    if rate is None:
        return "never"
    shown = plural(one.shown, "episode")
    return f"{shown}; won {percent(rate.estimate)} when shown ({between(rate)})"


def _origin(skill: Skill, places: Mapping[str, int]) -> list[Html]:
    origin = skill.provenance
    cited = [_citation(citation, places) for citation in origin.citations]
    by = f" by {origin.teacher}" if origin.teacher else ""
    return [
        *_pair("Origin", f"{origin.source}{by}"),
        *_pair("Evidence", tag("ul", join(cited)) if cited else "none cited"),
        *_pair("Since", f"revision {skill.created_revision}, version {skill.version}"),
        *_pair("Teacher cost", dollars(origin.cost)),
    ]


def _pair(term: str, value: Child) -> list[Html]:
    return [tag("dt", term), tag("dd", value)]


def _citation(citation: Citation, places: Mapping[str, int]) -> Html:
    place = places.get(citation.trajectory_id)
    if place is None:
        steps = ", ".join(str(step + 1) for step in citation.steps)
        where = f", steps {steps}" if steps else ""
        return tag("li", tag("code", citation.trajectory_id), where)
    links = [tag("a", f"step {step + 1}", href=f"#e{place}-s{step}") for step in citation.steps]
    episode = tag("a", f"episode {place}", href=f"#e{place}")
    return tag("li", episode, join(join([", ", link]) for link in links))
