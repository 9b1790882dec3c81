"""What a bank in memory holds, and the writer that works on a copy of it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from skillbank.changes import Change, Changes, SkillRef
from skillbank.embedding import EmbeddingModel
from skillbank.errors import EmbeddingError
from skillbank.evidence import Episode
from skillbank.skill import Skill, Status
from skillbank.snapshots import Snapshot
from skillbank.store import Outcome, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stored:
    """One version: its text, and the statuses it has had with their first revision."""

    skill: Skill
    statuses: tuple[tuple[int, Status, str | None], ...]

    def as_of(self, revision: int) -> Skill:
        """Return the skill with its status as of `revision`, at which it existed."""
        _, status, reason = [s for s in self.statuses if s[0] <= revision][-1]
        return replace(self.skill, status=status, status_reason=reason)


@dataclass(slots=True)
class Books:
    """Everything a bank holds. The values in its mappings are never changed in place."""

    revision: int = 0
    skill_count: int = 0
    versions: dict[tuple[str, int], Stored] = field(default_factory=dict)
    digests: dict[str, tuple[str, int]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    documents: dict[str, str] = field(default_factory=dict)
    spaces: dict[EmbeddingModel, Space] = field(default_factory=dict)
    uses: list[tuple[int, EmbeddingModel]] = field(default_factory=list)
    """(first revision, space), oldest first."""
    vectors: dict[EmbeddingModel, dict[SkillRef, "NDArray[np.float32]"]] = field(
        default_factory=dict
    )
    episodes: dict[str, Episode] = field(default_factory=dict)
    """Shared by every copy: the log takes no part in writes."""

    def copy(self) -> "Books":
        """Return a copy whose mappings can be written to."""
        return Books(
            revision=self.revision,
            skill_count=self.skill_count,
            versions=dict(self.versions),
            digests=dict(self.digests),
            outcomes=dict(self.outcomes),
            log=list(self.log),
            snapshots=dict(self.snapshots),
            documents=dict(self.documents),
            spaces=dict(self.spaces),
            uses=list(self.uses),
            vectors={model: dict(known) for model, known in self.vectors.items()},
            episodes=self.episodes,
        )

    def as_of(self, revision: int) -> list[Skill]:
        """Return every version that existed at `revision`, as it was."""
        return [
            stored.as_of(revision)
            for stored in self.versions.values()
            if stored.skill.created_revision <= revision
        ]

    def changes_of(self, skill_id: str) -> list[Change]:
        """Return the changes a skill took part in, oldest first."""
        return [
            change
            for change in self.log
            if skill_id in {change.skill_id, *(parent.skill_id for parent in change.parents)}
        ]

    def space_at(self, revision: int) -> Space | None:
        """Return the vector space in use at `revision`."""
        used = [model for since, model in self.uses if since <= revision]
        return self.spaces[used[-1]] if used else None


class MemoryWriter:
    """Writes to a copy, which takes the books' place once everything has gone well."""

    def __init__(self, books: Books) -> None:
        """Write to `books`."""
        self.books = books
        self._before = books.revision

    @property
    def revision(self) -> int:
        """The bank's revision before this write."""
        return self._before

    @property
    def skill_count(self) -> int:
        """Skills in the bank, retired ones included."""
        return self.books.skill_count

    def outcome(self, key: str) -> Outcome | None:
        """Return what was remembered under `key`."""
        return self.books.outcomes.get(key)

    def versions(self, skill_ids: Collection[str]) -> list[Skill]:
        """Return every version of these skills."""
        return [skill for skill in self.books.as_of(self.revision) if skill.id in skill_ids]

    def all_versions(self, revision: int) -> list[Skill]:
        """Return every version of the bank with its status as of `revision`."""
        return self.books.as_of(revision)

    def holders(self, digests: Collection[str]) -> dict[str, Skill]:
        """Return, for each digest some version has, that version."""
        return {
            digest: self.books.versions[self.books.digests[digest]].as_of(self.revision)
            for digest in digests
            if digest in self.books.digests
        }

    def moved(self, skill_ids: Collection[str], since: int) -> dict[str, int]:
        """Return which of these skills changed after revision `since`, and when last."""
        found: dict[str, int] = {}
        for (id_, _), stored in self.books.versions.items():
            last = stored.statuses[-1][0]
            if id_ in skill_ids and last > max(since, found.get(id_, 0)):
                found[id_] = last
        return found

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        return self.books.changes_of(skill_id)

    def save(self, changes: Changes) -> None:
        """Store the changes and make their revision the bank's."""
        books = self.books
        for new in changes.versions:
            skill, key = new.skill, (new.skill.id, new.skill.version)
            entered = (changes.revision, skill.status, skill.status_reason)
            books.versions[key] = Stored(skill, (entered,))
            books.digests[new.digest] = key
        for skill in changes.statuses:
            key = (skill.id, skill.version)
            now = (changes.revision, skill.status, skill.status_reason)
            stored = books.versions[key]
            books.versions[key] = replace(stored, statuses=(*stored.statuses, now))
        books.log.extend(changes.log)
        books.skill_count = changes.skill_count
        books.revision = changes.revision

    def remember(self, key: str, outcome: Outcome) -> None:
        """Keep `outcome` under `key`, which has none yet."""
        self.books.outcomes[key] = outcome

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, oldest first."""
        return list(self.books.snapshots.values())

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; its name is new."""
        self.books.snapshots[snapshot.name] = snapshot

    def keep_document(self, name: str, body: str) -> None:
        """Store a JSON text under a name, in the place of an earlier one."""
        self.books.documents[name] = body

    def space(self) -> Space | None:
        """Return the bank's present vector space."""
        return self.books.space_at(self.revision)

    def register(self, space: Space) -> Space:
        """Make a space known, unless one of its model is; return the one that is known."""
        self.books.vectors.setdefault(space.model, {})
        return self.books.spaces.setdefault(space.model, space)

    def unembedded(self, model: EmbeddingModel, limit: int) -> list[Skill]:
        """Return up to `limit` versions without a vector in a space, oldest first."""
        known = self._known(model)
        return [
            skill
            for skill in sorted(
                self.books.as_of(self.books.revision), key=lambda skill: (skill.id, skill.version)
            )
            if SkillRef(skill_id=skill.id, version=skill.version) not in known
        ][:limit]

    def embed(
        self, model: EmbeddingModel, vectors: Mapping[SkillRef, "NDArray[np.float32]"]
    ) -> None:
        """Put versions, the ones just saved included, into a registered space."""
        known = self._known(model)
        for ref, vector in vectors.items():
            known.setdefault(ref, vector)

    def use(self, model: EmbeddingModel, revision: int) -> None:
        """Make a registered space the bank's from `revision` on, and that the bank's."""
        self._known(model)
        self.books.uses.append((revision, model))
        self.books.revision = max(self.books.revision, revision)

    def _known(self, model: EmbeddingModel) -> dict[SkillRef, "NDArray[np.float32]"]:
        if model not in self.books.vectors:
            raise EmbeddingError(f"this bank has no space of the model {model.name!r}")
        return self.books.vectors[model]
