"""Brings a database's schema to the one this release knows.

Each file of sql/migrations is one transaction and leaves its checksum behind. An
advisory lock lets several openers arrive at once.
"""

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from skillbank.errors import ServerError
from skillbank.sql import Migration, migrations

_LOCK = 7_306_022_614  # any number that nobody else uses
_MIN_PGVECTOR = (0, 8)


def is_current(connection: Connection[TupleRow]) -> bool:
    """Tell whether every migration has been applied, as seen by this role.

    Raises:
        ServerError: as `migrate` does.
    """
    try:
        found = connection.execute("select to_regclass('skillbank.migration') is not null")
        return found.fetchone() == (True,) and not _missing(connection)
    except errors.InsufficientPrivilege:
        return False  # the tables are being made


def migrate(connection: Connection[TupleRow]) -> None:
    """Apply the migrations that are missing. `connection` must be in autocommit mode.

    Raises:
        ServerError: pgvector is missing or too old, the schema belongs to a newer
            release, or a file changed after it was applied.
    """
    connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
    try:
        _require_pgvector(connection)
        connection.execute("create schema if not exists skillbank")
        connection.execute(
            "create table if not exists skillbank.migration (name text primary key, "
            "checksum text not null, applied_at timestamptz not null default now())"
        )
        for step in _missing(connection):
            with connection.transaction():
                connection.execute(step.text)
                connection.execute(
                    "insert into skillbank.migration (name, checksum) values (%s, %s)",
                    (step.name, step.checksum),
                )
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (_LOCK,))


def _missing(connection: Connection[TupleRow]) -> list[Migration]:
    rows = connection.execute("select name, checksum from skillbank.migration").fetchall()
    applied: dict[str, str] = dict(rows)
    known = {step.name: step for step in migrations()}
    if newer := sorted(applied.keys() - known.keys()):
        raise ServerError(
            f"the database has migration {newer[-1]}, this release knows up to "
            f"{max(known)}; upgrade skillbank"
        )
    for name, checksum in applied.items():
        if checksum != known[name].checksum:
            raise ServerError(
                f"migration {name} was applied with checksum {checksum[:12]}, this release has "
                f"{known[name].checksum[:12]}; the schema is not the one this release expects"
            )
    return [step for name, step in known.items() if name not in applied]


def _require_pgvector(connection: Connection[TupleRow]) -> None:
    try:
        connection.execute("create extension if not exists vector")
    except (errors.FeatureNotSupported, errors.UndefinedFile) as err:
        raise ServerError(
            f"the server has no pgvector; install it on the server's machine: {err}"
        ) from err
    except errors.InsufficientPrivilege as err:
        raise ServerError(
            "this role may not install pgvector; have a superuser run "
            f"'create extension vector' in this database: {err}"
        ) from err
    row = connection.execute("select extversion from pg_extension where extname = 'vector'")
    version = str((row.fetchone() or ["0"])[0])
    if tuple(int(part) for part in version.split(".")[:2]) < _MIN_PGVECTOR:
        wanted = ".".join(map(str, _MIN_PGVECTOR))
        raise ServerError(f"pgvector must be {wanted} or newer, the database has {version}")
