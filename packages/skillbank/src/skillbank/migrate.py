"""Brings a database's schema to the one this release knows.

Each file of sql/migrations is one transaction and leaves its checksum behind. An
advisory lock lets several openers arrive at once.
"""

from psycopg import Connection, errors
from psycopg.rows import TupleRow

from skillbank.errors import ServerError
from skillbank.sql import SCHEMA, Migration, in_schema, migrations

_LOCK = 7_306_022_614  # any number that nobody else uses
_MIN_PGVECTOR = (0, 8)
_CREATE_SCHEMA = b"create schema skillbank"
_CREATE_MIGRATION = (
    b"create table if not exists skillbank.migration (name text primary key, "
    b"checksum text not null, applied_at timestamptz not null default now())"
)
_APPLIED = b"select name, checksum from skillbank.migration"
_INSERT_MIGRATION = b"insert into skillbank.migration (name, checksum) values (%s, %s)"


def is_current(connection: Connection[TupleRow], schema: str = SCHEMA) -> bool:
    """Tell whether every migration has been applied, as seen by this role.

    Raises:
        ServerError: as `migrate` does.
    """
    try:
        found = connection.execute("select to_regclass(%s) is not null", (f"{schema}.migration",))
        return found.fetchone() == (True,) and not pending(connection, schema)
    except errors.InsufficientPrivilege:
        return False  # the tables are being made


def migrate(connection: Connection[TupleRow], schema: str = SCHEMA) -> list[str]:
    """Apply the migrations that are missing, and return their names.

    Args:
        connection: In autocommit mode, of the role that owns the tables or will.
        schema: The schema of the tables, made if it is missing.

    Raises:
        ServerError: pgvector is missing or too old, the role may not make the schema, the
            schema belongs to a newer release, or a file changed after it was applied.
    """
    applied = []
    connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
    try:
        _require_pgvector(connection)
        _make_schema(connection, schema)
        for step in pending(connection, schema):
            with connection.transaction():
                connection.execute(step.text)
                connection.execute(in_schema(_INSERT_MIGRATION, schema), (step.name, step.checksum))
            applied.append(step.name)
    finally:
        connection.execute("select pg_advisory_unlock(%s)", (_LOCK,))
    return applied


def _make_schema(connection: Connection[TupleRow], schema: str) -> None:
    # Asked first, for "if not exists" wants the right to create even where it does.
    found = connection.execute("select from pg_namespace where nspname = %s", (schema,))
    exists = found.fetchone() is not None
    try:
        if not exists:
            connection.execute(in_schema(_CREATE_SCHEMA, schema))
        connection.execute(in_schema(_CREATE_MIGRATION, schema))
    except errors.InsufficientPrivilege as err:
        if exists:
            raise ServerError(
                f"this role may not use the tables in the schema {schema!r}, or they are of an "
                "older release and it may not change them; let their owner run 'skillbank migrate' "
                "once and grant this role USAGE on the schema and SELECT, INSERT and UPDATE on its "
                f"tables: {err}"
            ) from err
        raise ServerError(
            f"this role may not make the schema {schema!r} and its tables; grant it CREATE on the "
            f"database, or let an administrator run 'skillbank migrate' once: {err}"
        ) from err


def pending(connection: Connection[TupleRow], schema: str = SCHEMA) -> list[Migration]:
    """Return the migrations that are missing, in order; the schema must exist.

    Raises:
        ServerError: the schema belongs to a newer release, or a file has changed.
    """
    rows = connection.execute(in_schema(_APPLIED, schema)).fetchall()
    applied: dict[str, str] = dict(rows)
    known = {step.name: step for step in migrations(schema)}
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
        # Asked first: creating wants a right that using does not.
        found = connection.execute("select from pg_extension where extname = 'vector'")
        if found.fetchone() is None:
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
    row = connection.execute(
        "select extversion, to_regtype('halfvec') is not null, extnamespace::regnamespace::text "
        "from pg_extension where extname = 'vector'"
    )
    version, visible, where = row.fetchone() or ("0", False, "no schema")
    if tuple(int(part) for part in version.split(".")[:2]) < _MIN_PGVECTOR:
        wanted = ".".join(map(str, _MIN_PGVECTOR))
        raise ServerError(f"pgvector must be {wanted} or newer, the database has {version}")
    if not visible:
        raise ServerError(
            f"pgvector is in the schema {where!r}, which is not on this role's search path; add it "
            f"with 'alter role ... set search_path = public, {where}' and grant USAGE on it"
        )
