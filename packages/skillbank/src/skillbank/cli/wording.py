"""How skills read on a terminal."""

from collections.abc import Sequence

from skillbank.cli.target import number_of
from skillbank.cli.terminal import Terminal
from skillbank.estimators import Difference
from skillbank.formats.importing import ImportReport
from skillbank.schema import to_record
from skillbank.skill import Provenance, Skill


def say_skills(terminal: Terminal, skills: Sequence[Skill]) -> None:
    """Print skills, one a line, or as an array of records."""
    if terminal.as_json:
        terminal.data([to_record(skill) for skill in skills])
        return
    terminal.table(
        ("skill", "version", "status", "for", "title"),
        [
            (number_of(skill.id), skill.version, skill.status, scope(skill), skill.title)
            for skill in skills
        ],
    )


def say_change(terminal: Terminal, skill: Skill) -> None:
    """Print what a decision made of a skill."""
    if terminal.as_json:
        terminal.data(to_record(skill))
        return
    terminal.say(
        f"skill {number_of(skill.id)} version {skill.version} is {skill.status}: {skill.title}"
    )
    if skill.status == "quarantined" and skill.status_reason:
        terminal.note(f"kept from every prompt: {skill.status_reason}")


def say_report(terminal: Terminal, report: ImportReport) -> None:
    """Print what became of new texts."""
    if terminal.as_json:
        parts = {"added": report.added, "quarantined": report.quarantined, "known": report.known}
        records = {name: [to_record(skill) for skill in part] for name, part in parts.items()}
        terminal.data({"revision": report.revision, **records, "skipped": report.skipped})
        return
    terminal.say(
        f"{len(report.added)} added, {len(report.known)} known, "
        f"{len(report.quarantined)} quarantined, {len(report.skipped)} skipped; "
        f"revision {report.revision}"
    )
    for skill in report.quarantined:
        said = f"quarantined: skill {number_of(skill.id)}, {skill.title}: {skill.status_reason}"
        terminal.note(said)
    for line in report.skipped:
        terminal.note(f"skipped: {line}")


def scope(skill: Skill) -> str:
    """Return what a skill is for: "general", "mistake", "task cool"."""
    return skill.kind if skill.category is None else f"{skill.kind} {skill.category}"


def source(provenance: Provenance) -> str:
    """Return where a text came from."""
    parts: list[str] = [provenance.source]
    if provenance.teacher is not None:
        parts.append(f"by {provenance.teacher}")
    if provenance.cost is not None:
        parts.append(f"for ${provenance.cost:g}")
    if (origin := provenance.origin) is not None:
        version = "" if origin.version is None else f" version {origin.version}"
        parts.append(f"read as {origin.id}{version} from a file of format {origin.format}")
    return ", ".join(parts)


def uplift(difference: Difference | None) -> str:
    """Return an estimated effect with its interval."""
    if difference is None:
        return "not known"
    low, high = difference.low, difference.high
    return f"{difference.estimate:+.2f} [{low:+.2f}, {high:+.2f}] in {difference.groups} groups"
