"""The checks of `skillbank doctor` that ask the database."""

import argparse
from typing import LiteralString

import psycopg
from psycopg import Connection
from psycopg.rows import DictRow, TupleRow, dict_row

from skillbank.cli.findings import Finding, Findings
from skillbank.cli.target import open_bank
from skillbank.embedded.binaries import OLDEST
from skillbank.migrate import is_current, pending
from skillbank.postgres_search import INDEX_FROM
from skillbank.sql import queries

_MIN_PGVECTOR = (0, 8)
_INDEXES = (
    "select count(*) as indexes from pg_index i join pg_class c on c.oid = i.indexrelid "
    "join pg_namespace n on n.oid = c.relnamespace join pg_am a on a.oid = c.relam "
    "where n.nspname = %(schema)s and a.amname = 'hnsw' and i.indisvalid "
    "and pg_get_indexdef(i.indexrelid) like %(like)s"
)


def examine(conninfo: str, options: argparse.Namespace) -> Findings:
    """Check a database and the bank in it.

    Args:
        conninfo: How daily use connects.
        options: With the bank's name, tenant and schema, and the embedder.
    """
    with psycopg.connect(conninfo, autocommit=True, connect_timeout=10) as connection:
        yield _postgres(connection)
        yield _pgvector(connection)
        tables = _tables(connection, options.schema)
        yield tables
        if tables.level != "ok":
            return
        yield from _bank(connection, options)


def _postgres(connection: Connection[TupleRow]) -> Finding:
    number = connection.info.server_version
    if number < OLDEST * 10000:
        said = f"{number // 10000} is too old; skillbank needs {OLDEST} or newer"
        return Finding("fail", "postgres", said)
    return Finding("ok", "postgres", f"{number // 10000}.{number % 10000}")


def _pgvector(connection: Connection[TupleRow]) -> Finding:
    row = connection.execute("select extversion from pg_extension where extname = 'vector'")
    found = row.fetchone()
    if found is None:
        said = "not in this database; have a superuser run 'create extension vector' in it"
        return Finding("fail", "pgvector", said)
    release = str(found[0])
    if tuple(int(part) for part in release.split(".")[:2]) < _MIN_PGVECTOR:
        wanted = ".".join(map(str, _MIN_PGVECTOR))
        said = f"{release} is too old; install {wanted} and run 'alter extension vector update'"
        return Finding("fail", "pgvector", said)
    return Finding("ok", "pgvector", release)


def _tables(connection: Connection[TupleRow], schema: str) -> Finding:
    if is_current(connection, schema):
        return Finding("ok", "schema", f"{schema!r} is that of this release")
    there = connection.execute("select to_regclass(%s) is not null", (f"{schema}.migration",))
    if there.fetchone() != (True,):
        said = f"{schema!r} is not there yet; 'skillbank init' or 'skillbank migrate' makes it"
        return Finding("warn", "schema", said)
    names = ", ".join(step.name for step in pending(connection, schema))
    said = f"{schema!r} lacks {names}; run 'skillbank migrate' as the owner of the tables"
    return Finding("warn", "schema", said)


def _bank(connection: Connection[TupleRow], options: argparse.Namespace) -> Findings:
    row = _read_bank(connection, options)
    if row is None:
        said = f"there is none called {options.name!r} yet; 'skillbank init' makes it"
        yield Finding("warn", "bank", said)
        return
    yield Finding("ok", "bank", f"{row['skill_count']} skills, revision {row['revision']}")
    yield _vectors(row, options)
    if row.get("count", 0) < INDEX_FROM:
        return
    if row["indexes"]:
        yield Finding("ok", "index", "the vectors have one")
    else:
        said = f"{INDEX_FROM:,} vectors or more and no index; 'skillbank optimize' makes one"
        yield Finding("warn", "index", said)


def _read_bank(connection: Connection[TupleRow], options: argparse.Namespace) -> DictRow | None:
    """Return the bank's state and, where it has vectors, its space and how many there are."""
    texts, named = queries(options.schema), {"tenant": options.tenant, "name": options.name}
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:

        def ask(statement: bytes | LiteralString, **values: object) -> DictRow | None:
            return cursor.execute(statement, values).fetchone()

        ask(texts["show_bank"], bank_id="", **named)
        found = ask(texts["find_bank"], **named)
        if found is None:
            return None
        bank_id = str(found["id"])
        ask(texts["show_bank"], bank_id=bank_id, **named)
        row = ask(texts["bank_state"], bank_id=bank_id) or {}
        space = ask(texts["space_at"], bank_id=bank_id, revision=row["revision"])
        if space is None:
            return row
        of = {"bank_id": bank_id, "space_id": space["space_id"]}
        counted = ask(texts["count_embedded"], limit=INDEX_FROM, **of) or {}
        like = f"%{bank_id}%(space_id = {space['space_id']})%"
        return row | space | counted | (ask(_INDEXES, schema=options.schema, like=like) or {})


def _vectors(space: DictRow, options: argparse.Namespace) -> Finding:
    if "model" not in space:
        said = "none: search is by words"
        if options.embedder is not None:
            said = "none yet; 'skillbank reembed' gives those there are vectors of the embedder"
            return Finding("warn", "vectors", said)
        return Finding("ok", "vectors", said)
    model = f"of {space['model']}, {space['dimensions']} dimensions"
    if options.embedder is None:
        said = f"{model}; adding skills needs this embedder, name it with --embedder"
        return Finding("warn", "vectors", said)
    with open_bank(options) as bank:
        # Raises unless the embedder's vectors are those of the bank, probe included.
        bank.search("put the mug on the shelf", 1, mode="embedding")
    return Finding("ok", "vectors", f"{model}, as the embedder's")
