"""The seam between a bank and where it is kept.

Two implementations ship: `skillbank.memory.InMemoryStore` and
`skillbank.postgres.PostgresStore`. One contract test runs on both.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from skillbank.changes import Change, Changes, SkillRef
from skillbank.embedding import EmbeddingModel
from skillbank.evidence import Episode, Evidence
from skillbank.skill import Kind, Skill, Status
from skillbank.snapshots import Snapshot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a write came to, kept under its idempotency key."""

    schema_version: ClassVar[int] = 1

    operation: Literal["add", "apply"]
    revision: int
    """The bank's revision after the write."""
    accepted: tuple[tuple[int, SkillRef], ...]
    rejected: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The vector space of a bank: a model, and how it embeds a fixed sentence."""

    model: EmbeddingModel
    probe: "NDArray[np.float32]"
    """Shape (dimensions,): tells a model from another of the same name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Which active skills are asked for, and what ranks them.

    Without `text` and `vector` the oldest rank first; at most one of them is given.
    """

    kinds: tuple[Kind, ...]
    categories: tuple[str | None, ...] | None
    """The categories that count, None among them for skills without one; None for any."""
    limit: int
    """Most skills: of each kind with `per_kind`, else of all kinds together."""
    per_kind: bool
    revision: int | None
    """None for the present one."""
    text: str | None = None
    """Ranked by full text against any of its words."""
    vector: "NDArray[np.float32] | None" = None
    """Ranked by inner product with this unit vector, shape (dimensions,)."""
    space: Space | None = None
    """The space `vector` is of, where that is known."""
    matches_only: bool = False
    """Leave out what shares no word with `text`."""
    with_vectors: bool = False
    """Fetch the skills' vectors too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A skill that may answer a query."""

    skill: Skill
    score: float | None
    """Higher is nearer: cosine similarity, or full-text rank with 0 for no match; None
    where nothing was ranked."""
    vector: "NDArray[np.float32] | None" = None
    """Where it was asked for, shape (dimensions,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a search found, and where in the bank's history it looked."""

    revision: int
    found: Sequence[Found]
    """Best first within each kind; the kinds in no particular order."""


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

    def all_versions(self, revision: int) -> list[Skill]:
        """Return every version of the bank with its status as of `revision`."""
        ...

    def holders(self, digests: Collection[str]) -> dict[str, Skill]:
        """Return, for each digest some version has, that version."""
        ...

    def moved(self, skill_ids: Collection[str], since: int) -> dict[str, int]:
        """Return which of these skills changed after revision `since`, and when last."""
        ...

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        ...

    def save(self, changes: Changes) -> None:
        """Store the changes and make their revision the bank's."""
        ...

    def remember(self, key: str, outcome: Outcome) -> None:
        """Keep `outcome` under `key`, which has none yet."""
        ...

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, oldest first."""
        ...

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; its name is new."""
        ...

    def keep_document(self, name: str, body: str) -> None:
        """Store a JSON text under a name, in the place of an earlier one."""
        ...

    def space(self) -> Space | None:
        """Return the bank's present vector space."""
        ...

    def register(self, space: Space) -> Space:
        """Make a space known, unless one of its model is; return the one that is known.

        Vectors can then be put into it, if it is the same.
        """
        ...

    def unembedded(self, model: EmbeddingModel, limit: int) -> list[Skill]:
        """Return up to `limit` versions without a vector in a space, oldest first."""
        ...

    def embed(
        self, model: EmbeddingModel, vectors: Mapping[SkillRef, "NDArray[np.float32]"]
    ) -> None:
        """Put versions, the ones just saved included, into a registered space."""
        ...

    def use(self, model: EmbeddingModel, revision: int) -> None:
        """Make a registered space the bank's from `revision` on, and that the bank's."""
        ...


class SkillStore(Protocol):
    """Keeps one bank. Ids and revisions it is asked for are well-formed."""

    @property
    def bank_id(self) -> str:
        """The bank's id, a UUID."""
        ...

    @property
    def name(self) -> str:
        """The bank's name, unique within its tenant and database."""
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

    def search(self, searches: Sequence[Search]) -> list[Result]:
        """Answer several searches of one revision, all on one state of the bank.

        No filter loses a skill: the answer to a search with a vector is the exact one
        except over all kinds and categories of a large bank at the present revision.

        Raises:
            UnknownSkill: the bank does not have the revision.
            EmbeddingError: a vector is not of the space the bank used then.
        """
        ...

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        ...

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, oldest first."""
        ...

    def document(self, name: str) -> str | None:
        """Return the JSON text kept under a name."""
        ...

    def space(self, revision: int | None) -> Space | None:
        """Return the vector space in use at a revision; None for the present one."""
        ...

    def vectors(self, refs: Collection[SkillRef]) -> dict[SkillRef, "NDArray[np.float32]"]:
        """Return the vectors of versions in the present space, where they have one."""
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

    def all_evidence(self) -> list[Evidence]:
        """Return every skill's part in the recorded episodes, in the order of recording."""
        ...

    def optimize(self) -> None:
        """Build what makes search in a large bank fast; a small one needs nothing."""
        ...

    def close(self) -> None:
        """Release everything; a second call does nothing."""
        ...
