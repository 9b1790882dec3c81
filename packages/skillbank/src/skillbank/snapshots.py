"""Snapshots: revisions of a bank that have a name; and what lies between two revisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from skillbank.skill import Skill


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A name for a revision, which any read and a rollback can then be asked for."""

    schema_version: ClassVar[int] = 1

    name: str
    revision: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diff:
    """What became of the active skills between two revisions."""

    before: int
    after: int
    added: tuple[Skill, ...]
    """Active after, not before; oldest skill first, as in the other two."""
    removed: tuple[Skill, ...]
    """Active before, not after; as they were before."""
    revised: tuple[tuple[Skill, Skill], ...]
    """(the version before, the version after) of skills active at both."""


def difference(
    before: int, skills_before: Iterable[Skill], after: int, skills_after: Iterable[Skill]
) -> Diff:
    """Compare the active skills of two revisions."""
    old = {skill.id: skill for skill in skills_before}
    new = {skill.id: skill for skill in skills_after}
    return Diff(
        before=before,
        after=after,
        added=tuple(skill for id_, skill in new.items() if id_ not in old),
        removed=tuple(skill for id_, skill in old.items() if id_ not in new),
        revised=tuple(
            (skill, new[id_])
            for id_, skill in old.items()
            if id_ in new and new[id_].version != skill.version
        ),
    )
