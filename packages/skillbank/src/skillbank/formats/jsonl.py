"""Banks as lines of JSON: one record per version of a skill, as `skillbank.to_json` has it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from skillbank.errors import InvalidImport, SchemaError
from skillbank.formats.arrivals import Arrival, Arriving, arriving
from skillbank.formats.files import load_json
from skillbank.reading import BankReader
from skillbank.schema import from_record, to_json, to_record
from skillbank.skill import Origin, Provenance, Skill, SkillDraft

FORMAT = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonlFile:
    """A file that was read."""

    arrivals: tuple[Arrival, ...]
    skipped: tuple[str, ...]
    """What was left out: the line and why."""


def export_jsonl(
    bank: BankReader, *, revision: int | None = None, active_only: bool = False
) -> Iterator[str]:
    """Yield a `Skill` record and a newline per version, oldest skill first.

    Everything that is known of a version is in its line. Not in the file are the reasons
    of changes, snapshots, vectors and evidence.

    Args:
        bank: Where from.
        revision: With the statuses as of this revision; None for the present one.
        active_only: Leave out all that no search finds.

    Raises:
        UnknownSkill: no such revision.
    """
    skills = bank.skills(revision=revision) if active_only else bank.versions(revision=revision)
    for skill in skills:
        yield to_json(skill) + "\n"


def read_jsonl(text: str, name: str, status: Arriving = "active") -> JsonlFile:
    """Return what lines of `Skill` and `SkillDraft` records say.

    A skill keeps its provenance and, if it is active, a candidate or quarantined, its
    status; retired ones and drafts are skipped. Where it was becomes its origin.

    Args:
        text: The file.
        name: Its name, for messages.
        status: For `SkillDraft` records, which have none.

    Raises:
        InvalidImport: naming the line, and what is wrong with it.
    """
    arrivals, skipped = [], []
    # Not splitlines: a JSON string may hold what else that takes for the end of a line.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            place = f"{name}, line {number}"
            read = _read(load_json(line, place), place, status)
            if isinstance(read, Arrival):
                arrivals.append(read)
            else:
                skipped.append(read)
    if not arrivals and not skipped:
        raise InvalidImport(f"{name}: no skills: every line is empty")
    return JsonlFile(arrivals=tuple(arrivals), skipped=tuple(skipped))


def _read(record: Any, place: str, status: Arriving) -> Arrival | str:  # noqa: ANN401  # JSON
    kind = record.get("schema") if isinstance(record, Mapping) else None
    try:
        if kind == "SkillDraft":
            draft = from_record(SkillDraft, record)
            return Arrival(draft=draft, status=status, place=place)
        if kind == "Skill":
            return _of_skill(from_record(Skill, record), place)
    except SchemaError as err:
        raise InvalidImport(f"{place}: {err}") from err
    raise InvalidImport(f"{place}: neither a Skill nor a SkillDraft record: {str(record)[:60]!r}")


def _of_skill(skill: Skill, place: str) -> Arrival | str:
    status = arriving(skill.status)
    if status is None:
        return f"{place}: {skill.title} (version {skill.version}) is {skill.status}"
    return Arrival(
        draft=SkillDraft(
            title=skill.title,
            principle=skill.principle,
            when_to_apply=skill.when_to_apply,
            kind=skill.kind,
            category=skill.category,
            provenance=_moved(skill),
        ),
        status=status,
        place=place,
        reason=skill.status_reason if status == "quarantined" else None,
        of=skill.id,
    )


def _moved(skill: Skill) -> Provenance:
    earlier = skill.provenance.origin
    fields: tuple[tuple[str, str], ...] = ()
    if earlier is not None:
        # The latest file before this one, and not the whole chain of files.
        plain = replace(earlier, fields=tuple(f for f in earlier.fields if f[0] != "origin"))
        fields = (("origin", json.dumps(to_record(plain))),)
    origin = Origin(format=FORMAT, id=skill.id, version=skill.version, fields=fields)
    return replace(skill.provenance, origin=origin)
