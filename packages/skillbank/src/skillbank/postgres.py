"""PostgresStore: a bank in Postgres, on a server or in a directory of its own.

Reads take no lock: they name a revision, and what a revision holds never changes. The
writes of one bank queue up behind an advisory lock.
"""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool

from skillbank.changes import Change, SkillRef
from skillbank.embedded.server import APP_ROLE, OWNER_ROLE, EmbeddedServer
from skillbank.errors import BankInUse, ServerError, UnknownSkill
from skillbank.evidence import Episode, Evidence
from skillbank.identity import new_bank_id
from skillbank.migrate import is_current, migrate
from skillbank.postgres_rows import citations_of, episode_row, skill_of
from skillbank.postgres_writer import PostgresWriter
from skillbank.retrieval import Eligible
from skillbank.skill import Skill, Status
from skillbank.sql import queries

Pool = ConnectionPool[Connection[DictRow]]

_CONNECT_SECONDS = 30.0


def open_directory(path: Path, name: str) -> "PostgresStore":
    """Open a bank in a directory's own database, starting its server if need be."""
    server = EmbeddedServer.open(path)
    try:
        _bring_up_to_date(server.conninfo(APP_ROLE), server.conninfo(OWNER_ROLE))
        return PostgresStore(server.conninfo(APP_ROLE), name, on_close=server.close)
    except BaseException:
        server.close()
        raise


def open_url(url: str, name: str) -> "PostgresStore":
    """Open a bank on a server; the URL's role creates the tables if they are missing."""
    _bring_up_to_date(url, url)
    return PostgresStore(url, name)


class PostgresStore:
    """Keeps a bank in the schema `skillbank` of one database."""

    def __init__(
        self, conninfo: str, name: str, *, on_close: Callable[[], None] | None = None
    ) -> None:
        """Connect, and make the bank `name` if it is missing."""
        self._name = name
        self._on_close = on_close
        self._process = os.getpid()
        self._pool: Pool = ConnectionPool(
            conninfo,
            connection_class=Connection[DictRow],
            kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
            min_size=1,
            max_size=8,
            timeout=_CONNECT_SECONDS,
            name="skillbank",
            open=False,
        )
        try:
            with _server_errors():
                self._pool.open(wait=True, timeout=_CONNECT_SECONDS)
            self._bank_id = self._find_or_create()
        except BaseException:
            self._pool.close()
            raise

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
        with self._connection() as connection, connection.transaction():
            yield PostgresWriter(connection, self._bank_id)

    def skills(self, revision: int, status: Status | None) -> list[Skill]:
        """Return one version per skill as of `revision`, oldest skill first."""
        return [skill_of(row) for row in self._fetch("skills", revision=revision, status=status)]

    def versions(self, skill_ids: Collection[str], revision: int) -> list[Skill]:
        """Return every version of these skills with its status as of `revision`."""
        rows = self._fetch("versions", skill_ids=list(skill_ids), revision=revision)
        return [skill_of(row) for row in rows]

    def eligible(self, category: str | None, revision: int, query: str | None) -> list[Eligible]:
        """Return what may enter a prompt, scored by full text unless `query` is None."""
        fetch = partial(self._fetch, category=category, revision=revision)
        rows = fetch("eligible") if query is None else fetch("eligible_by_text", query=query)
        return [Eligible(skill=skill_of(row), score=row.get("score")) for row in rows]

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        return [
            Change(
                revision=row["revision"],
                action=row["action"],
                skill_id=str(row["skill_id"]),
                version=row["version"],
                parents=tuple(SkillRef(skill_id=i, version=v) for i, v in row["parents"]),
                reason=row["reason"],
                citations=citations_of(row["citations"]),
            )
            for row in self._fetch("changes", skill_id=skill_id)
        ]

    def record(self, episode: Episode) -> None:
        """Append to the evidence log, unless the episode is in it already."""
        with self._connection() as connection, connection.transaction():
            added = connection.execute(
                queries()["insert_episode"], episode_row(self._bank_id, episode)
            )
            if added.rowcount == 0 or not episode.skills:
                return
            try:
                connection.cursor().executemany(
                    queries()["insert_exposure"],
                    [
                        {
                            "bank_id": self._bank_id,
                            "episode_id": episode.episode_id,
                            "skill_id": entry.skill_id,
                            "version": entry.version,
                            "shown": entry.shown,
                            "propensity": entry.propensity,
                            "corrupted": entry.corrupted,
                        }
                        for entry in episode.skills
                    ],
                )
            except psycopg.errors.ForeignKeyViolation as err:
                raise UnknownSkill(
                    f"bank {self._name!r} lacks a skill version that the exposure names: "
                    f"{err.diag.message_detail}"
                ) from err

    def evidence(self, skill_id: str) -> list[Evidence]:
        """Return a skill's part in the recorded episodes, in the order of recording."""
        return [Evidence(**row) for row in self._fetch("evidence", skill_id=skill_id)]

    def close(self) -> None:
        """Close the connections; in a forked child do nothing, they are the parent's."""
        if os.getpid() != self._process:
            return
        self._pool.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def _fetch(self, block: str, /, **parameters: object) -> list[DictRow]:
        with self._connection() as connection:
            bound: Mapping[str, object] = {"bank_id": self._bank_id, **parameters}
            return connection.execute(queries()[block], bound).fetchall()

    def _connection(self) -> AbstractContextManager[Connection[DictRow]]:
        if os.getpid() != self._process:
            raise BankInUse(
                f"bank {self._name!r} was opened by process {self._process}; "
                "open it again in each forked process"
            )
        return _checked_out(self._pool)

    def _find_or_create(self) -> str:
        with self._connection() as connection:
            named: Mapping[str, Any] = {"name": self._name}  # as psycopg wants it
            found = connection.execute(queries()["find_bank"], named).fetchone()
            if found is None:
                connection.execute(
                    queries()["create_bank"], {"bank_id": new_bank_id(), "name": self._name}
                )
                found = connection.execute(queries()["find_bank"], named).fetchone()
        if found is None:
            raise ServerError(f"bank {self._name!r} could not be created")
        return str(found["id"])


@contextmanager
def _checked_out(pool: Pool) -> Iterator[Connection[DictRow]]:
    with _server_errors(), pool.connection() as connection:
        yield connection


@contextmanager
def _server_errors() -> Iterator[None]:
    try:
        yield
    except (psycopg.OperationalError, psycopg.InternalError) as err:
        raise ServerError(f"the database cannot be reached or cannot go on: {err}") from err
    except psycopg.errors.InsufficientPrivilege as err:
        raise ServerError(f"the database role lacks a right that the bank needs: {err}") from err


def _bring_up_to_date(conninfo: str, owner_conninfo: str) -> None:
    with _server_errors():
        with psycopg.connect(conninfo, autocommit=True) as connection:
            if is_current(connection):
                return
        with psycopg.connect(owner_conninfo, autocommit=True) as connection:
            migrate(connection)
