"""PostgresWriter: a bank inside one transaction that holds its write lock."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from psycopg import Connection
from psycopg.rows import DictRow

from skillbank.changes import Change, Changes, SkillRef
from skillbank.embedding import EmbeddingModel
from skillbank.errors import EmbeddingError
from skillbank.postgres_rows import (
    Parameters,
    change_columns,
    change_of,
    lineage_columns,
    ref_columns,
    skill_of,
    status_columns,
    version_columns,
)
from skillbank.schema import from_json, to_json
from skillbank.skill import Skill
from skillbank.snapshots import Snapshot
from skillbank.store import Outcome, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VECTORS_AT_ONCE = 1000
"""Four megabytes a statement at 2,000 dimensions."""
_MANY = 500
"""Rows in one write after which the planner is told."""
_SEVERAL = 100
"""Writes after which it is told however small they were."""


class PostgresWriter:
    """Reads and writes under the lock, which it takes on construction."""

    def __init__(
        self, connection: Connection[DictRow], queries: Mapping[str, bytes], bank_id: str
    ) -> None:
        """Wait for the bank's lock; `connection` must be in a transaction of the tenant."""
        self._connection = connection
        self._queries = queries
        self._bank_id = bank_id
        # A statement of its own, so that what follows sees the last holder's commit.
        self._fetch("lock_bank")
        self._state = self._fetch("bank_state")[0]

    @property
    def revision(self) -> int:
        """The bank's revision before this write."""
        return int(self._state["revision"])

    @property
    def skill_count(self) -> int:
        """Skills in the bank, retired ones included."""
        return int(self._state["skill_count"])

    def outcome(self, key: str) -> Outcome | None:
        """Return what was remembered under `key`."""
        rows = self._fetch("find_outcome", key=key)
        return from_json(Outcome, rows[0]["outcome"]) if rows else None

    def versions(self, skill_ids: Collection[str]) -> list[Skill]:
        """Return every version of these skills."""
        if not skill_ids:
            return []
        rows = self._fetch("versions", skill_ids=list(skill_ids), revision=self.revision)
        return [skill_of(row) for row in rows]

    def all_versions(self, revision: int) -> list[Skill]:
        """Return every version of the bank with its status as of `revision`."""
        return [skill_of(row) for row in self._fetch("all_versions", revision=revision)]

    def holders(self, digests: Collection[str]) -> dict[str, Skill]:
        """Return, for each digest some version has, that version."""
        if not digests:
            return {}
        rows = self._fetch("holders", digests=list(digests))
        return {row["digest"]: skill_of(row) for row in rows}

    def moved(self, skill_ids: Collection[str], since: int) -> dict[str, int]:
        """Return which of these skills changed after revision `since`, and when last."""
        rows = self._fetch("moved", skill_ids=list(skill_ids), since=since)
        return {str(row["skill_id"]): row["revision"] for row in rows}

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        return [change_of(row) for row in self._fetch("changes", skill_id=skill_id)]

    def save(self, changes: Changes) -> None:
        """Store the changes and make their revision the bank's."""
        at = {"revision": changes.revision}
        if changes.statuses:
            self._execute("end_status", at | ref_columns(changes.statuses))
        if changes.versions:
            self._execute("insert_version", at | version_columns(changes.versions))
        now = [*changes.statuses, *(new.skill for new in changes.versions)]
        if now:
            self._execute("insert_status", at | status_columns(now))
        if changes.statuses:
            self._execute("refresh_active", ref_columns(changes.statuses))
            self._execute("refresh_embeddings", ref_columns(changes.statuses))
        if changes.log:
            self._execute("insert_change", at | change_columns(changes.log))
        if any(change.parents for change in changes.log):
            self._execute("insert_lineage", lineage_columns(changes.log))
        self._advance(changes.revision, changes.skill_count)
        if len(now) >= _MANY or changes.revision % _SEVERAL == 0:
            self._fetch("gather_statistics")

    def remember(self, key: str, outcome: Outcome) -> None:
        """Keep `outcome` under `key`, which has none yet."""
        self._execute("insert_outcome", {"key": key, "outcome": to_json(outcome)})

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, oldest first."""
        return [Snapshot(**row) for row in self._fetch("snapshots")]

    def keep_snapshot(self, snapshot: Snapshot) -> None:
        """Store a snapshot; its name is new."""
        self._execute(
            "insert_snapshot",
            {"name": snapshot.name, "revision": snapshot.revision, "note": snapshot.note},
        )

    def keep_document(self, name: str, body: str) -> None:
        """Store a JSON text under a name, in the place of an earlier one."""
        self._execute("keep_document", {"name": name, "body": body})

    def space(self) -> Space | None:
        """Return the bank's present vector space."""
        rows = self._fetch("space_at", binary=True, revision=self.revision)
        return space_of(rows[0]) if rows else None

    def register(self, space: Space) -> Space:
        """Make a space known, unless one of its model is; return the one that is known."""
        from skillbank.vectors import Half

        if (known := self._find(space.model)) is not None:
            return space_of(known)
        self._execute(
            "insert_space",
            {
                "model": space.model.name,
                "dimensions": space.model.dimensions,
                "probe": Half(space.probe),
            },
        )
        return space

    def unembedded(self, model: EmbeddingModel, limit: int) -> list[Skill]:
        """Return up to `limit` versions without a vector in a space, oldest first."""
        rows = self._fetch("unembedded", space_id=self._known(model), limit=limit)
        return [skill_of(row) for row in rows]

    def embed(
        self, model: EmbeddingModel, vectors: Mapping[SkillRef, "NDArray[np.float32]"]
    ) -> None:
        """Put versions, the ones just saved included, into a registered space."""
        from skillbank.vectors import Half

        space_id, pairs = self._known(model), list(vectors.items())
        for start in range(0, len(pairs), _VECTORS_AT_ONCE):
            part = pairs[start : start + _VECTORS_AT_ONCE]
            self._execute(
                "insert_embedding",
                {
                    "space_id": space_id,
                    "skill_ids": [ref.skill_id for ref, _ in part],
                    "versions": [ref.version for ref, _ in part],
                    "vectors": [Half(vector) for _, vector in part],
                },
            )
        if len(pairs) >= _MANY:
            self._fetch("gather_statistics")

    def use(self, model: EmbeddingModel, revision: int) -> None:
        """Make a registered space the bank's from `revision` on, and that the bank's."""
        self._execute("insert_space_use", {"space_id": self._known(model), "revision": revision})
        self._state = self._fetch("bank_state")[0]
        if revision > self.revision:
            self._advance(revision, self.skill_count)

    def _advance(self, revision: int, skill_count: int) -> None:
        self._execute("advance_bank", {"revision": revision, "skill_count": skill_count})

    def _find(self, model: EmbeddingModel) -> "DictRow | None":
        bound = {"model": model.name, "dimensions": model.dimensions}
        rows = self._fetch("find_space", binary=True, **bound)
        return rows[0] if rows else None

    def _known(self, model: EmbeddingModel) -> int:
        if (found := self._find(model)) is None:
            raise EmbeddingError(f"this bank has no space of the model {model.name!r}")
        return int(found["space_id"])

    def _fetch(self, query: str, *, binary: bool = False, **parameters: object) -> list[DictRow]:
        bound = {"bank_id": self._bank_id, **parameters}
        return self._connection.execute(self._queries[query], bound, binary=binary).fetchall()

    def _execute(self, query: str, parameters: Parameters) -> None:
        self._connection.execute(self._queries[query], {"bank_id": self._bank_id, **parameters})


def space_of(row: DictRow) -> Space:
    """Return the space in a row of the query `space_at`, fetched in binary."""
    return Space(
        model=EmbeddingModel(name=row["model"], dimensions=row["dimensions"]), probe=row["probe"]
    )
