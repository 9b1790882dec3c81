"""PostgresWriter: a bank inside one transaction that holds its write lock."""

from collections.abc import Collection

from psycopg import Connection
from psycopg.rows import DictRow

from skillbank.changes import Change, Changes
from skillbank.postgres_rows import change_row, skill_of
from skillbank.schema import from_json, to_json
from skillbank.skill import Skill
from skillbank.sql import queries
from skillbank.store import Outcome


class PostgresWriter:
    """Reads and writes under the lock, which it takes on construction."""

    def __init__(self, connection: Connection[DictRow], bank_id: str) -> None:
        """Wait for the bank's lock; `connection` must be in a transaction."""
        self._connection = connection
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

    def holders(self, digests: Collection[str]) -> dict[str, Skill]:
        """Return, for each digest some version has, that version."""
        if not digests:
            return {}
        rows = self._fetch("holders", digests=list(digests))
        return {row["digest"]: skill_of(row) for row in rows}

    def save(self, changes: Changes) -> None:
        """Store the changes and make their revision the bank's."""
        self._execute_many("end_status", [_status_row(s) for s in changes.statuses], changes)
        self._execute_many(
            "insert_version",
            [
                {
                    "skill_id": new.skill.id,
                    "version": new.skill.version,
                    "title": new.skill.title,
                    "principle": new.skill.principle,
                    "when_to_apply": new.skill.when_to_apply,
                    "kind": new.skill.kind,
                    "category": new.skill.category,
                    "provenance": to_json(new.skill.provenance),
                    "digest": new.digest,
                }
                for new in changes.versions
            ],
            changes,
        )
        now = [*changes.statuses, *(new.skill for new in changes.versions)]
        self._execute_many("insert_status", [_status_row(skill) for skill in now], changes)
        log = [change_row(self._bank_id, i, change) for i, change in enumerate(changes.log)]
        self._execute_many("insert_change", log, changes)
        parents = [row for change in changes.log for row in _lineage_rows(change)]
        self._execute_many("insert_lineage", parents, changes)
        self._execute_many("advance_bank", [{"skill_count": changes.skill_count}], changes)

    def remember(self, key: str, outcome: Outcome) -> None:
        """Keep `outcome` under `key`, which has none yet."""
        self._connection.execute(
            queries()["insert_outcome"],
            {"bank_id": self._bank_id, "key": key, "outcome": to_json(outcome)},
        )

    def _fetch(self, query: str, **parameters: object) -> list[DictRow]:
        bound = {"bank_id": self._bank_id, **parameters}
        return self._connection.execute(queries()[query], bound).fetchall()

    def _execute_many(self, query: str, rows: list[dict[str, object]], changes: Changes) -> None:
        if not rows:
            return
        shared = {"bank_id": self._bank_id, "revision": changes.revision}
        bound = [shared | row for row in rows]
        self._connection.cursor().executemany(queries()[query], bound)


def _status_row(skill: Skill) -> dict[str, object]:
    return {
        "skill_id": skill.id,
        "version": skill.version,
        "status": skill.status,
        "status_reason": skill.status_reason,
    }


def _lineage_rows(change: Change) -> list[dict[str, object]]:
    return [
        {
            "skill_id": change.skill_id,
            "version": change.version,
            "parent_id": parent.skill_id,
            "parent_version": parent.version,
        }
        for parent in change.parents
    ]
