"""What a write does to a bank, as the bank stores and remembers it."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from skillbank.skill import Citation, Skill

Action = Literal["add", "revise", "merge", "split", "retire", "activate", "quarantine", "rollback"]
Entry = Literal["candidate", "active"]
"""The status in which new text enters a bank."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillRef:
    """One version of one skill."""

    skill_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One accepted change, as the bank remembers it."""

    schema_version: ClassVar[int] = 2

    revision: int
    """The bank's revision after it."""
    action: Action
    skill_id: str
    version: int
    """The version it made, or whose status it set."""
    parents: tuple[SkillRef, ...]
    """The versions the new text was made from: for revise, merge and split."""
    reason: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to store, with the digest of its text."""

    skill: Skill
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything one write batch stores."""

    revision: int
    """The revision it makes."""
    skill_count: int
    """Skills in the bank afterwards, retired ones included."""
    versions: tuple[NewVersion, ...]
    statuses: tuple[Skill, ...]
    """Stored versions whose status changes, as they are afterwards."""
    log: tuple[Change, ...]
