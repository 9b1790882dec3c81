"""The seam between a bank and where it is kept.

Two implementations ship: `skillbank.memory.InMemoryStore` and
`skillbank.postgres.PostgresStore`. One contract test runs on both.
"""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from skillbank.changes import Change, Changes, SkillRef
from skillbank.evidence import Episode, Evidence
from skillbank.retrieval import Eligible
from skillbank.skill import Skill, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a write came to, kept under its idempotency key."""

    schema_version: ClassVar[int] = 1

    operation: Literal["add", "apply"]
    revision: int
    """The bank's revision after the write."""
    accepted: tuple[tuple[int, SkillRef], ...]
    rejected: tuple[tuple[int, str], ...] = ()


class Writer(Protocol):
    """A bank under its write lock; what it saves becomes visible when the lock ends."""

    @property
    def revision(self) -> int:
        """The bank's revision before this write."""
        ...

    @property
    def skill_count(self) -> int:
        """Skills in the bank, retired ones included."""
        ...

    def outcome(self, key: str) -> Outcome | None:
        """Return what was remembered under `key`."""
        ...

    def versions(self, skill_ids: Collection[str]) -> list[Skill]:
        """Return every version of these skills; unknown ids are left out."""
        ...

    def holders(self, digests: Collection[str]) -> dict[str, Skill]:
        """Return, for each digest some version has, that version."""
        ...

    def save(self, changes: Changes) -> None:
        """Store the changes and make their revision the bank's."""
        ...

    def remember(self, key: str, outcome: Outcome) -> None:
        """Keep `outcome` under `key`, which has none yet."""
        ...


class SkillStore(Protocol):
    """Keeps one bank. Ids and revisions it is asked for are well-formed."""

    @property
    def bank_id(self) -> str:
        """The bank's id, a UUID."""
        ...

    @property
    def name(self) -> str:
        """The bank's name, unique within its database."""
        ...

    def revision(self) -> int:
        """Return the bank's current revision."""
        ...

    def writing(self) -> AbstractContextManager[Writer]:
        """Hold the bank's only write lock; an exception inside undoes everything."""
        ...

    def skills(self, revision: int, status: Status | None) -> list[Skill]:
        """Return one version per skill as of `revision`, oldest skill first.

        It is the skill's latest version with `status` (any, for None) that no later
        active version has superseded.
        """
        ...

    def versions(self, skill_ids: Collection[str], revision: int) -> list[Skill]:
        """Return every version of these skills with its status as of `revision`.

        Sorted by skill, then version; ids the bank does not have are left out.
        """
        ...

    def eligible(self, category: str | None, revision: int, query: str | None) -> list[Eligible]:
        """Return what may enter a prompt, scored by full text unless `query` is None."""
        ...

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        ...

    def record(self, episode: Episode) -> None:
        """Append to the evidence log, unless the episode is in it already.

        Raises:
            UnknownSkill: a version that this bank does not have; nothing was appended.
        """
        ...

    def evidence(self, skill_id: str) -> list[Evidence]:
        """Return a skill's part in the recorded episodes, in the order of recording."""
        ...

    def close(self) -> None:
        """Release everything; a second call does nothing."""
        ...
