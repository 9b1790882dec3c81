"""PostgresStore: a bank in Postgres, on a server or in a directory of its own.

Reads take no lock: they name a revision, and what a revision holds never changes. The
writes of one bank queue up behind an advisory lock.
"""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import conninfo_to_dict

from skillbank.changes import Change, SkillRef
from skillbank.database import Database
from skillbank.embedded.server import APP_ROLE, OWNER_ROLE, EmbeddedServer
from skillbank.errors import InvalidQuery, ServerError, UnknownSkill
from skillbank.evidence import Episode, Evidence
from skillbank.identity import new_bank_id
from skillbank.postgres_rows import change_of, episode_row, exposure_columns, skill_of
from skillbank.postgres_search import PostgresSearch
from skillbank.postgres_writer import PostgresWriter, space_of
from skillbank.skill import Skill, Status
from skillbank.snapshots import Snapshot
from skillbank.sql import SCHEMA, check_schema
from skillbank.store import Result, Search, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from psycopg.rows import DictRow

DEFAULT_TENANT = "default"


def open_directory(path: Path, name: str, tenant: str = DEFAULT_TENANT) -> "PostgresStore":
    """Open a bank in a directory's own database, starting its server if need be."""
    server = EmbeddedServer.open(path)
    try:
        database = Database(
            server.conninfo(APP_ROLE),
            tenant=tenant,
            owner_conninfo=server.conninfo(OWNER_ROLE),
            on_close=server.close,
        )
    except BaseException:
        server.close()
        raise
    return PostgresStore(database, name)


def open_url(
    url: str, name: str, tenant: str = DEFAULT_TENANT, schema: str = SCHEMA
) -> "PostgresStore":
    """Open a bank on a server; the URL's role creates the tables if they are missing.

    Raises:
        ServerError: among others, a tenant was named and the role is one that row-level
            security does not hold for.
    """
    check_schema(schema)
    try:
        conninfo_to_dict(url)
    except psycopg.ProgrammingError as err:
        # The URL may hold a password, and the driver's message what it could not read.
        raise InvalidQuery(
            "the URL cannot be read; write postgresql://user@host:port/database?option=value, with "
            "special characters as %XX"
        ) from err
    database = Database(url, tenant=tenant, schema=schema)
    try:
        if tenant != DEFAULT_TENANT:
            _require_policies(database)
    except BaseException:
        database.close()
        raise
    return PostgresStore(database, name)


class PostgresStore:
    """Keeps a bank in one schema of one database."""

    def __init__(self, database: Database, name: str) -> None:
        """Use `database`, which is closed with the store, and make the bank if missing."""
        self._name = name
        self._database = database
        try:
            self._bank_id = self._find_or_create()
        except BaseException:
            database.close()
            raise
        self._search = PostgresSearch(database, self._bank_id)

    @property
    def bank_id(self) -> str:
        """The bank's id, a UUID."""
        return self._bank_id

    @property
    def name(self) -> str:
        """The bank's name."""
        return self._name

    def revision(self) -> int:
        """Return the bank's current revision."""
        return int(self._fetch("bank_state")[0]["revision"])

    @contextmanager
    def writing(self) -> Iterator[PostgresWriter]:
        """Hold the bank's write lock for one transaction."""
        with self._database.writing(self._bank_id) as connection:
            yield PostgresWriter(connection, self._database.queries, self._bank_id)

    def skills(self, revision: int, status: Status | None) -> list[Skill]:
        """Return one version per skill as of `revision`, oldest skill first."""
        return [skill_of(row) for row in self._fetch("skills", revision=revision, status=status)]

    def versions(self, skill_ids: Collection[str], revision: int) -> list[Skill]:
        """Return every version of these skills with its status as of `revision`."""
        rows = self._fetch("versions", skill_ids=list(skill_ids), revision=revision)
        return [skill_of(row) for row in rows]

    def search(self, searches: Sequence[Search]) -> list[Result]:
        """Answer several searches on one state of the bank."""
        return self._search.answer(searches)

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        return [change_of(row) for row in self._fetch("changes", skill_id=skill_id)]

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, oldest first."""
        return [Snapshot(**row) for row in self._fetch("snapshots")]

    def document(self, name: str) -> str | None:
        """Return the JSON text kept under a name."""
        rows = self._fetch("find_document", name=name)
        return str(rows[0]["body"]) if rows else None

    def space(self, revision: int | None) -> Space | None:
        """Return the vector space in use at a revision; None for the present one."""
        at = self.revision() if revision is None else revision
        rows = self._fetch("space_at", binary=True, revision=at)
        return space_of(rows[0]) if rows else None

    def vectors(self, refs: Collection[SkillRef]) -> dict[SkillRef, "NDArray[np.float32]"]:
        """Return the vectors of versions in the present space, where they have one."""
        return self._search.vectors(refs)

    def record(self, episode: Episode) -> None:
        """Append to the evidence log, unless the episode is in it already."""
        queries, ours = self._database.queries, {"bank_id": self._bank_id}
        with self._database.writing(self._bank_id) as connection:
            added = connection.execute(queries["insert_episode"], ours | episode_row(episode))
            if added.rowcount == 0 or not episode.skills:
                return
            try:
                connection.execute(queries["insert_exposure"], ours | exposure_columns(episode))
            except psycopg.errors.ForeignKeyViolation as err:
                raise UnknownSkill(
                    f"bank {self._name!r} lacks a skill version that the exposure names: "
                    f"{err.diag.message_detail}"
                ) from err

    def evidence(self, skill_id: str) -> list[Evidence]:
        """Return a skill's part in the recorded episodes, in the order of recording."""
        return [Evidence(**row) for row in self._fetch("evidence", skill_id=skill_id)]

    def all_evidence(self) -> list[Evidence]:
        """Return every skill's part in the recorded episodes, in the order of recording."""
        return [Evidence(**row) for row in self._fetch("all_evidence")]

    def optimize(self) -> None:
        """Index the vectors of a large bank, as the tables' owner."""
        self._search.build_index()

    def close(self) -> None:
        """Close the connections; in a forked child do nothing, they are the parent's."""
        self._database.close()

    def _fetch(
        self, block: str, /, *, binary: bool = False, **parameters: object
    ) -> list["DictRow"]:
        bound = {"bank_id": self._bank_id, **parameters}
        with self._database.reading(self._bank_id) as connection:
            statement = self._database.queries[block]
            return connection.execute(statement, bound, binary=binary).fetchall()

    def _find_or_create(self) -> str:
        queries = self._database.queries
        named: dict[str, object] = {"tenant": self._database.tenant, "name": self._name}
        with self._database.writing(None) as connection:
            found = connection.execute(queries["find_bank"], named).fetchone()
            if found is None:
                connection.execute(queries["create_bank"], named | {"bank_id": new_bank_id()})
                found = connection.execute(queries["find_bank"], named).fetchone()
        if found is None:
            raise ServerError(f"bank {self._name!r} could not be created")
        return str(found["id"])


def _require_policies(database: Database) -> None:
    with database.writing(None) as connection:
        row = connection.execute(
            "select rolname, rolsuper or rolbypassrls as free from pg_roles "
            "where rolname = current_user"
        ).fetchone()
    if row is not None and row["free"]:
        raise ServerError(
            f"row-level security does not hold for the role {row['rolname']!r}, so tenants would "
            "not be apart; connect as a role that is no superuser and lacks BYPASSRLS"
        )
