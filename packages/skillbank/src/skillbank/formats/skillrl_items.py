"""One skill or mistake of a SkillRL file as a draft, and back.

A mistake has its description as title, why it happens as when_to_apply and how to avoid
it as principle.
"""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from skillbank.characters import first_hidden
from skillbank.drafts import MAX_LENGTH, check_text
from skillbank.errors import InvalidImport, InvalidSkill, SchemaError
from skillbank.formats.arrivals import Arrival, Arriving, arriving
from skillbank.schema import from_record, to_record
from skillbank.skill import Kind, Origin, Provenance, Skill, SkillDraft

FORMAT = "skillrl"
EXTRAS = "skillbank"
"""The key under which an item holds what the format itself has no place for."""

_SKILL = {
    "skill_id": "id",
    "title": "title",
    "principle": "principle",
    "when_to_apply": "when_to_apply",
}
_MISTAKE = {
    "mistake_id": "id",
    "description": "title",
    "why_it_happens": "when_to_apply",
    "how_to_avoid": "principle",
}
_MAX_ID = 200
_MAX_FIELDS = 20_000
"""Characters of JSON per item under keys we do not know: every read of a skill has them."""
_TYPES = {dict: "an object", list: "an array", bool: "true or false", str: "text"}

Fields = tuple[tuple[str, str], ...]
"""Keys we do not know with their values as JSON texts, as in `Origin.fields`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A skill or mistake as a file has it."""

    id: str
    place: str
    keys: tuple[str, ...]
    """In the order of the file."""
    fields: Fields
    arrival: Arrival | None
    """None for one whose status says that it is out of use."""


def require(value: object, kind: type, place: str) -> None:
    """Raise InvalidImport unless a JSON value is of a type: dict, list or str."""
    if not isinstance(value, kind):
        got = "null" if value is None else _TYPES.get(type(value), "a number")
        raise InvalidImport(f"{place} must be {_TYPES[kind]}, got {got}")


def require_visible(key: str, place: str) -> None:
    """Raise InvalidImport if a key has a character without a visible form."""
    if first_hidden(key) is not None or len(key) > _MAX_ID:
        raise InvalidImport(f"{place} has the key {key!r:.60}; use up to 200 visible characters")


def read_item(
    value: Any,  # noqa: ANN401  # any JSON value
    place: str,
    kind: Kind,
    category: str | None,
    status: Arriving,
) -> Item:
    """Return what a file says of one skill or mistake.

    Args:
        value: From the file.
        place: The file and the JSON path in it.
        kind: What the part of the file that it is in holds.
        category: The same.
        status: For a text that brings none along.

    Raises:
        InvalidImport: a key is missing, or a value cannot be that of a skill.
    """
    layout = _MISTAKE if kind == "mistake" else _SKILL
    require(value, dict, place)
    for key in layout:
        if key not in value:
            raise InvalidImport(f"{place} has no {key!r}")
    rules = {"id": "title", "title": "principle"} if kind == "mistake" else {"id": "title"}
    texts = {
        field: _text(value[key], f"{place}.{key}", rules.get(field, field))
        for key, field in layout.items()
    }
    fields = _unknown(value, layout, place)
    if texts["title"] != (title := _shortened(texts["title"])):
        fields = (("description", json.dumps(texts["title"])), *fields)
    extras = _read_extras(value.get(EXTRAS), f"{place}.{EXTRAS}")
    draft = SkillDraft(
        title=title,
        principle=texts["principle"],
        when_to_apply=texts["when_to_apply"],
        kind=kind,
        category=category if kind != "mistake" else extras.category,
        provenance=replace(
            extras.provenance,
            origin=Origin(format=FORMAT, id=texts["id"], version=extras.version, fields=fields),
        ),
    )
    arrival = None
    if (entry := status if extras.status is None else arriving(extras.status)) is not None:
        arrival = Arrival(draft=draft, status=entry, place=place, reason=extras.reason)
    return Item(id=texts["id"], place=place, keys=tuple(value), fields=fields, arrival=arrival)


def write_item(
    skill: Skill, id_: str, keys: Collection[str], fields: Fields, *, extras: bool
) -> dict[str, Any]:
    """Return a skill as the format has it.

    Args:
        skill: The version to write.
        id_: Its id in the file.
        keys: Their order; those missing here come last.
        fields: What to put under keys of other programs.
        extras: Add what the format has no place for.
    """
    layout = _MISTAKE if skill.kind == "mistake" else _SKILL
    values: dict[str, Any] = {
        key: id_ if field == "id" else getattr(skill, field) for key, field in layout.items()
    }
    values |= {key: json.loads(text) for key, text in fields}
    if extras:
        values[EXTRAS] = _write_extras(skill)
    return {key: values[key] for key in keys if key in values} | values


def prefix_of(skill: Skill) -> str:
    """Return what the ids of such skills begin with: "gen", "err", "cle" for "clean"."""
    if skill.kind == "task":
        return re.sub(r"[^a-z0-9]", "", (skill.category or "").lower())[:3] or "cat"
    return "err" if skill.kind == "mistake" else "gen"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Extras:
    provenance: Provenance
    version: int | None = None
    status: str | None = None
    reason: str | None = None
    category: str | None = None


def _write_extras(skill: Skill) -> dict[str, Any]:
    return {
        "version": skill.version,
        "status": skill.status,
        "status_reason": skill.status_reason,
        "category": skill.category,
        "provenance": to_record(skill.provenance),
    }


def _read_extras(value: Any, place: str) -> _Extras:  # noqa: ANN401  # any JSON value
    if value is None:
        return _Extras(provenance=Provenance(source="imported"))
    require(value, dict, place)
    for key in ("status", "provenance"):
        if key not in value:
            raise InvalidImport(
                f"{place} has no {key!r}; leave the key {EXTRAS!r} out, or export anew"
            )
    for key in ("status", "status_reason", "category"):
        if value.get(key) is not None:
            require(value[key], str, f"{place}.{key}")
    version = value.get("version")
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise InvalidImport(f"{place}.version must be a whole number, got {version!r:.40}")
    require(value["provenance"], dict, f"{place}.provenance")
    try:
        provenance = from_record(Provenance, value["provenance"])
    except SchemaError as err:
        raise InvalidImport(f"{place}.provenance: {err}") from err
    return _Extras(
        version=version,
        status=value["status"],
        reason=value.get("status_reason") if value["status"] == "quarantined" else None,
        category=value.get("category"),
        provenance=provenance,
    )


def _text(value: object, place: str, rule: str) -> str:
    try:
        check_text(rule, value)
    except InvalidSkill as err:
        # It begins with the name of a skill's field, which the file may call otherwise.
        raise InvalidImport(place + str(err).removeprefix(rule)) from err
    return str(value)


def _unknown(value: Mapping[str, Any], layout: Collection[str], place: str) -> Fields:
    fields = []
    for key in value:
        if key not in layout and key != EXTRAS:
            require_visible(key, place)
            fields.append((key, json.dumps(value[key])))
    if (size := sum(len(text) for _, text in fields)) > _MAX_FIELDS:
        raise InvalidImport(
            f"{place} has {size} characters under keys that no skill has "
            f"({', '.join(key for key, _ in fields):.80}); at most {_MAX_FIELDS} are kept"
        )
    return tuple(fields)


def _shortened(text: str) -> str:
    limit = MAX_LENGTH["title"]
    if len(text) <= limit:
        return text
    words = text[: limit - 1].rpartition(" ")[0].rstrip()
    return (words or text[: limit - 1]) + "…"
