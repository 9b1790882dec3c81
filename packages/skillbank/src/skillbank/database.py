"""Database: pooled connections to the tables of one schema, on behalf of one tenant.

Every statement runs in a transaction that has named its tenant first, and the setting
ends with the transaction: a connection goes back to the pool knowing nothing of whom it
served, which also holds behind a pooler that shares connections between programs.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import LiteralString

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg.rows import DictRow, dict_row
from psycopg.sql import Composed
from psycopg.types import TypeInfo
from psycopg.types.string import TextLoader
from psycopg_pool import ConnectionPool

from skillbank.errors import BankInUse, ServerError
from skillbank.migrate import is_current, migrate
from skillbank.sql import SCHEMA, queries

_CONNECT_SECONDS = 30.0


class Database:
    """Gives out transactions."""

    def __init__(
        self,
        conninfo: str,
        *,
        tenant: str,
        schema: str = SCHEMA,
        owner_conninfo: str | None = None,
        on_close: Callable[[], None] | None = None,
    ) -> None:
        """Connect, having brought the schema up to date.

        Args:
            conninfo: A connection string or URL, for daily use.
            tenant: Whose banks are seen.
            schema: Where the tables are.
            owner_conninfo: For what only the tables' owner may do; None where the role
                of daily use owns them.
            on_close: Called once, after the last connection is closed.

        Raises:
            ServerError: the server cannot be reached or lacks something.
        """
        self.queries = queries(schema)
        self.schema = schema
        self.tenant = tenant
        self._owner = owner_conninfo or conninfo
        self._on_close = on_close
        self._process = os.getpid()
        self._vector: TypeInfo | None = None
        with server_errors():
            with psycopg.connect(conninfo, autocommit=True) as connection:
                current = is_current(connection, schema)
            if not current:
                with psycopg.connect(self._owner, autocommit=True) as connection:
                    migrate(connection, schema)
            self._pool: ConnectionPool[Connection[DictRow]] = ConnectionPool(
                conninfo,
                connection_class=Connection[DictRow],
                kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
                configure=self._configure,
                min_size=1,
                max_size=8,
                timeout=_CONNECT_SECONDS,
                name="skillbank",
                open=False,
            )
            try:
                self._pool.open(wait=True, timeout=_CONNECT_SECONDS)
            except BaseException:
                self._pool.close()
                raise

    @contextmanager
    def reading(self, bank_id: str) -> Iterator[Connection[DictRow]]:
        """Give a transaction that sees one state of a bank throughout."""
        with self._checked_out() as connection, _together(connection):
            connection.isolation_level = IsolationLevel.REPEATABLE_READ
            with connection.transaction():
                self._show_bank(connection, "show_bank_to_read", bank_id)
                yield connection

    @contextmanager
    def writing(self, bank_id: str | None) -> Iterator[Connection[DictRow]]:
        """Give a transaction whose statements each see what was committed before them.

        Args:
            bank_id: The bank it is about; None for the list of banks alone.
        """
        with self._checked_out() as connection:
            connection.isolation_level = IsolationLevel.READ_COMMITTED
            with connection.transaction():
                self._show_bank(connection, "show_bank", bank_id or "")
                yield connection

    def run_as_owner(self, statements: Iterable[Composed]) -> None:
        """Execute statements as the tables' owner in one session, in no transaction."""
        with server_errors(), psycopg.connect(self._owner, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def close(self) -> None:
        """Close the connections; in a forked child do nothing, they are the parent's."""
        if os.getpid() != self._process:
            return
        self._pool.close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()

    def _configure(self, connection: Connection[DictRow]) -> None:
        # Costs the import of numpy, and only the first connection has to ask.
        from skillbank.vectors import find_type, register

        if self._vector is None:
            self._vector = find_type(connection)
        register(connection, self._vector)
        # Ids are texts here; objects for a thousand of them take milliseconds.
        connection.adapters.register_loader("uuid", TextLoader)

    def _show_bank(self, connection: Connection[DictRow], query: str, bank_id: str) -> None:
        connection.execute(self.queries[query], {"tenant": self.tenant, "bank_id": bank_id})

    @contextmanager
    def _checked_out(self) -> Iterator[Connection[DictRow]]:
        if os.getpid() != self._process:
            raise BankInUse(
                f"this bank was opened by process {self._process}; open it again in each "
                "forked process"
            )
        with server_errors(), self._pool.connection() as connection:
            yield connection


def _together(connection: Connection[DictRow]) -> AbstractContextManager[object]:
    """Send statements without waiting for the answers in between, where waiting is long.

    To a server on the same machine the bookkeeping takes longer than the way.
    """
    return nullcontext() if connection.info.host.startswith("/") else connection.pipeline()


def literal(statement: bytes) -> LiteralString:
    """Return one of our own statements as the text that psycopg composes from."""
    return statement.decode()


@contextmanager
def server_errors() -> Iterator[None]:
    """Turn what the driver says of the server into ServerError."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InternalError) as err:
        raise ServerError(f"the database cannot be reached or cannot go on: {err}") from err
    except psycopg.errors.InsufficientPrivilege as err:
        raise ServerError(f"the database role lacks a right that the bank needs: {err}") from err
