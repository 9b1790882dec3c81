"""The JSON files of SkillRL, into a bank and out of it.

A file has `general_skills`, the skills of each category under `task_specific_skills` or
`query_type_skills`, `common_mistakes`, and anything else, such as `metadata`. What is no
skill is kept beside the skills, as the bank's document "skillrl": an export of an
unchanged bank equals the file. The bank remembers this of the file imported last.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from skillbank.characters import first_hidden
from skillbank.errors import InvalidImport
from skillbank.formats.arrivals import Arrival, Arriving, Taken
from skillbank.formats.files import load_json
from skillbank.formats.skillrl_items import (
    FORMAT,
    Fields,
    Item,
    prefix_of,
    read_item,
    require,
    require_visible,
    write_item,
)
from skillbank.reading import BankReader
from skillbank.schema import from_json, to_record
from skillbank.skill import Skill

TaskKey = Literal["task_specific_skills", "query_type_skills"]

_GENERAL, _MISTAKES = "general_skills", "common_mistakes"
_TASK_KEYS: tuple[TaskKey, ...] = ("task_specific_skills", "query_type_skills")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a file had a skill, and what else it said of it."""

    id: str
    skill: str
    """Its id in the bank."""
    version: int
    """The version whose text the file has."""
    keys: tuple[str, ...]
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says besides the texts, in the file's order."""

    schema_version: ClassVar[int] = 1

    keys: tuple[str, ...] = (_GENERAL, "task_specific_skills", _MISTAKES)
    task_key: TaskKey = "task_specific_skills"
    categories: tuple[str, ...] = ()
    rest: Fields = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillrlFile:
    """A file that was read."""

    header: Header
    """Without entries, which only a bank can give."""
    items: tuple[Item, ...]
    """General skills first, then by category, then mistakes."""

    @property
    def arrivals(self) -> list[Arrival]:
        """The texts to take in."""
        return [item.arrival for item in self.items if item.arrival is not None]

    @property
    def skipped(self) -> list[str]:
        """What was left out, and why."""
        return [f"{item.place}: {item.id} is out of use" for item in self.items if not item.arrival]

    def document(self, taken: Iterable[Taken]) -> str:
        """Return what the bank has to remember, given what became of the arrivals."""
        present = [item for item in self.items if item.arrival is not None]
        entries = tuple(
            Entry(
                id=item.id,
                skill=one.skill.id,
                version=one.skill.version,
                keys=item.keys,
                fields=item.fields,
            )
            for item, one in zip(present, taken, strict=True)
        )
        header = Header(
            keys=self.header.keys,
            task_key=self.header.task_key,
            categories=self.header.categories,
            rest=self.header.rest,
            entries=entries,
        )
        # In ASCII: the file may hold characters that a database refuses.
        return json.dumps(to_record(header))


def read_skillrl(text: str, name: str, status: Arriving = "active") -> SkillrlFile:
    """Return what a file of this format says.

    Args:
        text: The file.
        name: Its name, for messages.
        status: For skills that bring none along.

    Raises:
        InvalidImport: naming the place, such as
            "bank.json: task_specific_skills.cool[2].principle", and what is wrong there.
    """
    value = load_json(text, name)
    require(value, dict, f"{name}: the file")
    task_key = _task_key(value, name)
    for key in value:
        require_visible(key, f"{name}: the file")
    groups: Mapping[str, Any] = value.get(task_key, {})
    require(groups, dict, f"{name}: {task_key}")
    items = _read_list(value, _GENERAL, name, status)
    for category, members in groups.items():
        place = f"{name}: {task_key}.{category}"
        if not category.strip() or len(category) > 100 or first_hidden(category) is not None:
            raise InvalidImport(
                f"{name}: {task_key} has the category {category!r:.60}; use 1 to 100 visible "
                "characters"
            )
        require(members, list, place)
        items += [
            read_item(member, f"{place}[{i}]", "task", category, status)
            for i, member in enumerate(members)
        ]
    items += _read_list(value, _MISTAKES, name, status)
    _refuse_double_ids(items)
    known = (_GENERAL, task_key, _MISTAKES)
    header = Header(
        keys=tuple(value),
        task_key=task_key,
        categories=tuple(groups),
        rest=tuple((key, json.dumps(part)) for key, part in value.items() if key not in known),
    )
    return SkillrlFile(header=header, items=tuple(items))


def export_skillrl(
    bank: BankReader,
    *,
    revision: int | None = None,
    extras: bool = False,
    quarantined: bool = False,
) -> dict[str, Any]:
    """Return the active skills as the JSON of SkillRL.

    Skills of the file that was imported last keep their ids and places; the others follow
    by age, those of earlier files with their ids where these are free. New ids count on
    from the highest there is and stay the same in later exports. A skill that was revised
    has its present text and none of the unknown keys of the old one.

    Lost without `extras`: versions, statuses, provenance (where a text came from, its
    citations and cost) and the category of a mistake. Lost in any case: ids in the bank,
    retired skills, earlier versions, reasons of changes, snapshots, vectors, evidence.

    Args:
        bank: Where from.
        revision: As of this revision; None for the present one.
        extras: Put what the format has no place for under the key "skillbank" of each
            skill, which importing understands and other programs may ignore.
        quarantined: Export what is in quarantine too, to give a file back as it was.
            Without `extras`, nothing in the result tells it from other skills.

    Raises:
        UnknownSkill: no such revision.
    """
    at = bank.revision if revision is None else revision
    header = _header(bank)
    ids = _ids(header, bank.skills(revision=at, status=None))
    shown = {skill.id: skill for skill in bank.skills(revision=at)}
    if quarantined:
        held = {skill.id: skill for skill in bank.skills(revision=at, status="quarantined")}
        shown = held | shown
    entries = {entry.skill: entry for entry in header.entries}
    places = {id_: place for place, id_ in enumerate(entries)}
    ordered = sorted(shown.values(), key=lambda s: (places.get(s.id, len(places)), s.id))
    written = [(skill, _write(skill, ids[skill.id], entries, extras)) for skill in ordered]
    return _assemble(header, written)


def _read_list(value: Mapping[str, Any], key: str, name: str, status: Arriving) -> list[Item]:
    members = value.get(key, [])
    require(members, list, f"{name}: {key}")
    kind: Literal["general", "mistake"] = "general" if key == _GENERAL else "mistake"
    return [
        read_item(member, f"{name}: {key}[{i}]", kind, None, status)
        for i, member in enumerate(members)
    ]


def _task_key(value: Mapping[str, Any], name: str) -> TaskKey:
    found = [key for key in _TASK_KEYS if key in value]
    if len(found) == 2:
        raise InvalidImport(f"{name}: both {' and '.join(found)}; a file has one of the two")
    if not found and _GENERAL not in value and _MISTAKES not in value:
        raise InvalidImport(
            f"{name}: no skills: none of the keys {', '.join((_GENERAL, *_TASK_KEYS, _MISTAKES))}"
        )
    return found[0] if found else _TASK_KEYS[0]


def _refuse_double_ids(items: Iterable[Item]) -> None:
    places: dict[str, str] = {}
    for item in items:
        if (first := places.setdefault(item.id, item.place)) != item.place:
            raise InvalidImport(f"{item.place}: the id {item.id!r:.60} is that of {first} already")


def _header(bank: BankReader) -> Header:
    body = bank.document(FORMAT)
    return Header() if body is None else from_json(Header, body)


def _ids(header: Header, everyone: Sequence[Skill]) -> dict[str, str]:
    """Return skill -> id in the file, for retired skills too: an id is never used again."""
    ids = {entry.skill: entry.id for entry in header.entries}
    taken = set(ids.values())
    rest = [skill for skill in everyone if skill.id not in ids]
    for skill in rest:
        origin = skill.provenance.origin
        if origin is not None and origin.format == FORMAT and origin.id not in taken:
            ids[skill.id] = origin.id
            taken.add(origin.id)
    highest: dict[str, int] = {}
    for id_ in taken:
        if found := re.fullmatch(r"(.+)_([0-9]{1,9})", id_):
            prefix, number = found.group(1), int(found.group(2))
            highest[prefix] = max(number, highest.get(prefix, 0))
    for skill in rest:
        if skill.id not in ids:
            prefix = prefix_of(skill)
            highest[prefix] = highest.get(prefix, 0) + 1
            ids[skill.id] = f"{prefix}_{highest[prefix]:03d}"
    return ids


def _write(skill: Skill, id_: str, entries: Mapping[str, Entry], extras: bool) -> dict[str, Any]:
    entry, origin = entries.get(skill.id), skill.provenance.origin
    if entry is not None and entry.version == skill.version:
        return write_item(skill, id_, entry.keys, entry.fields, extras=extras)
    if entry is None and origin is not None and origin.format == FORMAT:
        return write_item(skill, id_, (), origin.fields, extras=extras)
    return write_item(skill, id_, (), (), extras=extras)


def _assemble(header: Header, written: Sequence[tuple[Skill, dict[str, Any]]]) -> dict[str, Any]:
    general = [item for skill, item in written if skill.kind == "general"]
    mistakes = [item for skill, item in written if skill.kind == "mistake"]
    groups: dict[str, list[dict[str, Any]]] = {category: [] for category in header.categories}
    # New categories come by age, whatever the places of their skills.
    for skill in sorted((skill for skill, _ in written), key=lambda skill: skill.id):
        if skill.kind == "task":
            groups.setdefault(skill.category or "", [])
    for skill, item in written:
        if skill.kind == "task":
            groups[skill.category or ""].append(item)
    sections: dict[str, Any] = {_GENERAL: general, header.task_key: groups, _MISTAKES: mistakes}
    parts = sections | {key: json.loads(text) for key, text in header.rest}
    absent = [key for key, part in sections.items() if part and key not in header.keys]
    return {key: parts[key] for key in (*header.keys, *absent)}
