"""Skill, and what comes in (SkillDraft, Proposal) and out (Hit) of a bank."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Kind = Literal["general", "task", "mistake"]
"""general: for every task; task: for one category; mistake: what to avoid."""

Status = Literal["draft", "candidate", "active", "retired", "quarantined"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The evidence a skill was distilled from."""

    schema_version: ClassVar[int] = 1

    trajectory_id: str
    steps: tuple[int, ...] = ()
    """Indices into the trajectory's steps, 0-based; empty means the whole episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where an imported text was before, so that an export can put it back."""

    schema_version: ClassVar[int] = 1

    format: str
    """The format it was read from, such as "skillrl" or "jsonl"."""
    id: str
    """Its id there."""
    version: int | None = None
    """Its version there, where the format has versions."""
    fields: tuple[tuple[str, str], ...] = ()
    """What the format holds and a skill has no field for: (name, JSON text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a skill's text came from and what it cost."""

    schema_version: ClassVar[int] = 2

    source: Literal["distilled", "evolved", "imported", "manual"]
    teacher: str | None = None
    """The model, as it was named to the teacher's client; None for a person."""
    prompt_hash: str | None = None
    """SHA-256 of the request that produced the text, which finds it in a recording."""
    citations: tuple[Citation, ...] = ()
    cost: float | None = None
    """US dollars; None when unknown."""
    origin: Origin | None = None
    """For source "imported"; None when it was not read from a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillDraft:
    """A skill as proposed, before a bank has given it an id."""

    schema_version: ClassVar[int] = 2

    title: str
    principle: str
    """What to do, in one or two sentences."""
    when_to_apply: str
    kind: Kind
    category: str | None = None
    """Required for kind "task", absent for "general", optional for "mistake"."""
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """One version of a skill as a bank holds it."""

    schema_version: ClassVar[int] = 2

    id: str
    version: int
    """1 for the first; a revision adds a version and never changes one."""
    title: str
    principle: str
    when_to_apply: str
    kind: Kind
    category: str | None
    status: Status
    status_reason: str | None
    """Why it is retired or quarantined, or was made active; None as it entered."""
    provenance: Provenance
    created_revision: int
    """The bank revision at which this version appeared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A retrieved skill."""

    schema_version: ClassVar[int] = 2

    skill: Skill
    rank: int
    """0-based, in prompt order."""
    score: float | None
    """Higher is nearer; comparable only within one query; None where nothing was ranked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A change to a bank, with the evidence for it."""

    schema_version: ClassVar[int] = 2

    action: Literal["add", "revise", "merge", "retire"]
    draft: SkillDraft | None
    """The new text; None only for "retire"."""
    targets: tuple[str, ...] = ()
    """Skill ids: none for add, one for revise and retire, two or more for merge."""
    reason: str
    citations: tuple[Citation, ...]
    """The trajectories and steps that argue for the change; never empty."""
