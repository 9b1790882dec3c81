"""A bank of an earlier release is brought up to date by whoever opens it, once and whole."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from tests.fix_bank import draft
from tests.fix_server import TcpDatabase
from tests.skillbank.test_store_reading import Exposed, Shown, adding, record

from skillbank import Citation, Provenance, RetrievalSettings, ServerError, SkillBank
from skillbank.database import Database
from skillbank.embedded.server import APP_ROLE, OWNER_ROLE, EmbeddedServer
from skillbank.embedders import HashingEmbedder
from skillbank.migrate import migrate
from skillbank.postgres import PostgresStore
from skillbank.sql import SCHEMA, in_schema, migrations

OLD_BANK = (Path(__file__).parent / "golden" / "bank_0001.sql").read_bytes()
OPENER = """
import json, sys
from skillbank.database import Database
from skillbank.postgres import PostgresStore
place = json.loads(sys.stdin.readline())
print("ready", flush=True)
sys.stdin.readline()
store = PostgresStore(Database(**place, tenant="default"), "old")
print(store.revision(), len(store.skills(4, None)))
store.close()
"""


@dataclass(frozen=True)
class Place:
    """Where the tables are, and who may do what there."""

    conninfo: str
    schema: str
    owner_conninfo: str

    def open(self, embedder: HashingEmbedder | None = None) -> SkillBank:
        database = Database(**vars(self), tenant="default")
        return SkillBank(PostgresStore(database, "old"), embedder=embedder)


def make_old_bank(place: Place) -> None:
    """Make the schema and the bank as the first release did."""
    with psycopg.connect(place.owner_conninfo, autocommit=True) as connection:
        connection.execute(sql.SQL("create schema {}").format(sql.Identifier(place.schema)))
        first = migrations(place.schema)[0]
        table = b"create table skillbank.migration (name text primary key, checksum text not null, "
        table += b"applied_at timestamptz not null default now())"
        connection.execute(in_schema(table, place.schema))
        connection.execute(first.text)
        connection.execute(
            in_schema(b"insert into skillbank.migration values (%s, %s)", place.schema),
            (first.name, first.checksum),
        )
        connection.execute(in_schema(OLD_BANK, place.schema))


@pytest.fixture(params=["embedded", "server"])
def place(request: pytest.FixtureRequest) -> Place:
    """An old bank: the daily role owns the tables on a server, and does not in a directory."""
    if request.param == "embedded":
        server: EmbeddedServer = request.getfixturevalue("embedded_server")
        owner = server.conninfo(OWNER_ROLE)
        schema = f"old_{os.urandom(4).hex()}"
        place = Place(server.conninfo(APP_ROLE), schema, owner)
    else:
        database: TcpDatabase = request.getfixturevalue("tcp_database")
        place = Place(database.owner_url, SCHEMA, database.owner_url)
    make_old_bank(place)
    return place


def applied(place: Place) -> list[tuple[object, ...]]:
    query = in_schema(b"select name, checksum from skillbank.migration order by 1", place.schema)
    with psycopg.connect(place.owner_conninfo) as connection:
        return connection.execute(query).fetchall()


def race(places: list[Place]) -> list[str]:
    """Let a process each open the bank at the same moment, and return what they say."""
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in places
    ]
    for opener, place in zip(openers, places, strict=True):
        assert opener.stdin is not None
        assert opener.stdout is not None
        opener.stdin.write(json.dumps(vars(place)) + "\n")
        opener.stdin.flush()
        assert opener.stdout.readline() == "ready\n"
    ended = [opener.communicate("go\n", timeout=60) for opener in openers]
    assert [opener.returncode for opener in openers] == [0] * len(openers), ended
    return [said for said, _ in ended]


def test_an_old_bank_is_brought_up_to_date_by_two_at_once(place: Place) -> None:
    assert race([place, place]) == ["4 5\n", "4 5\n"]
    assert applied(place) == [(step.name, step.checksum) for step in migrations()]


def test_an_old_bank_is_intact_afterwards(place: Place) -> None:
    with place.open() as bank:
        one, two, three = bank.skills()
        assert [skill.title for skill in (one, two, three)] == [
            "Check every counter",
            "Cool the tomato",
            "Do not freeze it",
        ]
        assert one.provenance == Provenance(
            source="distilled",
            teacher="a-teacher",
            citations=(Citation(trajectory_id="run-1/episode-3", steps=(0, 4)),),
            cost=0.25,
        )
        assert [s.status_reason for s in bank.history(one.id)] == ["superseded by version 2", None]
        assert [len(bank.skills(revision=revision)) for revision in range(5)] == [0, 3, 4, 4, 3]
        (merged,) = bank.skills(status="candidate")
        (made,) = bank.changes(merged.id)
        assert [parent.skill_id for parent in made.parents] == [two.id, three.id]
        assert [entry.success for entry in bank.evidence(one.id)] == [True, False]
        assert [skill.version for skill in bank.add([], key="batch-1")] == [1, 1, 1]
        assert bank.apply([], key="evolve-1").rejected == ((2, "reason must not be empty, got ''"),)
        assert bank.revision == 4


def test_an_old_bank_is_searched_and_written_to_afterwards(place: Place) -> None:
    with place.open() as bank:
        text = RetrievalSettings(mode="text")
        hits = bank.retrieve("cooled tomatoes", category="cool", settings=text).hits
        assert [hit.skill.title for hit in hits][1] == "Cool the tomato"
        assert [hit.skill.title for hit in bank.search("counters")] == ["Check every counter"]
        earlier = bank.search("counters", revision=1)
        assert [hit.skill.title for hit in earlier] == ["Check the counter"]
        one, two, three = bank.skills()
        assert bank.add([draft("x")])[0].id > three.id
        again = draft(two.title, kind="task", category="cool", principle=two.principle)
        report = bank.apply([adding(again)])
        assert report.accepted[0][1].title == two.title  # its when_to_apply differs
        bank.activate(bank.skills(status="candidate")[0].id, reason="tried")
        assert two.id not in {skill.id for skill in bank.skills()}
        bank.rollback(4, reason="r")
        assert [skill.id for skill in bank.skills()] == [one.id, two.id, three.id]
        record(bank, Exposed(bank.id, (Shown(two.id),)), "e3")
        assert len(bank.evidence(two.id)) == 2
    with place.open(HashingEmbedder()) as bank:
        assert bank.reembed() == 8
        assert [hit.skill.title for hit in bank.search("cool tomato", 1)] == ["Cool the tomato"]


def test_a_text_of_an_old_bank_is_still_known(place: Place) -> None:
    with place.open() as bank:
        for skill in bank.skills(status=None):
            same = draft(
                skill.title.upper(),
                kind=skill.kind,
                category=skill.category,
                principle=skill.principle,
                when_to_apply=skill.when_to_apply,
            )
            assert bank.add([same]) == [skill]


def test_a_migration_that_fails_leaves_the_old_bank(place: Place) -> None:
    spoil = in_schema(b"create table skillbank.snapshot (mine int)", place.schema)
    with psycopg.connect(place.owner_conninfo, autocommit=True) as connection:
        connection.execute(spoil)
    with pytest.raises(psycopg.Error, match="already exists"):
        place.open()
    assert len(applied(place)) == 1
    with psycopg.connect(place.owner_conninfo, autocommit=True) as connection:
        connection.execute(in_schema(b"drop table skillbank.snapshot", place.schema))
    with place.open() as bank:
        assert len(bank.skills()) == 3


def tables_of(connection: psycopg.Connection[tuple[object, ...]], schema: str) -> set[object]:
    rows = connection.execute(
        "select table_name, column_name, data_type, is_nullable, column_default "
        "from information_schema.columns where table_schema = %s",
        (schema,),
    ).fetchall()
    return set(rows)


def test_two_schemas_of_one_database_are_apart(tcp_database: TcpDatabase) -> None:
    url = tcp_database.owner_url
    with (
        SkillBank.open(url, embedder=HashingEmbedder()) as usual,
        SkillBank.open(url, schema="other_one", embedder=HashingEmbedder()) as chosen,
    ):
        usual.add([draft("of the usual one")])
        assert (chosen.skills(), chosen.id == usual.id) == ([], False)
        chosen.add([draft("of the chosen one")])
        for mode in ("text", "embedding", "hybrid"):
            hits = chosen.search("one", mode=mode)
            assert [hit.skill.title for hit in hits] == ["of the chosen one"]
    with psycopg.connect(url) as connection:
        assert tables_of(connection, "skillbank") == tables_of(connection, "other_one") != set()


def test_only_their_owner_brings_tables_up_to_date(tcp_database: TcpDatabase) -> None:
    make_old_bank(Place(tcp_database.owner_url, SCHEMA, tcp_database.owner_url))
    with psycopg.connect(tcp_database.owner_url, autocommit=True) as connection:
        for grant in ("usage on schema", "select, insert, update on all tables in schema"):
            connection.execute(f"grant {grant} skillbank to {tcp_database.app}".encode())
    with pytest.raises(ServerError, match=r"of an older release.*owner run 'skillbank migrate'"):
        SkillBank.open(tcp_database.app_url, name="old")


def test_a_schema_is_named_plainly(tcp_database: TcpDatabase) -> None:
    for name in ("Skills", "a b", "pg_mine", 'x"; drop table y; --', "", "a" * 64):
        with pytest.raises(ValueError, match="schema must be 1 to 63 of a-z"):
            SkillBank.open(tcp_database.owner_url, schema=name)


def test_a_role_that_may_create_nothing_uses_what_another_made(tcp_database: TcpDatabase) -> None:
    with pytest.raises(ServerError, match="grant it CREATE on the database, or let an admini"):
        SkillBank.open(tcp_database.app_url)
    with psycopg.connect(tcp_database.owner_url, autocommit=True) as connection:
        assert migrate(connection) == [step.name for step in migrations()]
        with pytest.raises(ServerError, match="grant this role USAGE on the schema and SELECT"):
            SkillBank.open(tcp_database.app_url)
        for grant in ("usage on schema", "select, insert, update on all tables in schema"):
            connection.execute(f"grant {grant} skillbank to {tcp_database.app}".encode())
    with SkillBank.open(tcp_database.app_url) as bank:
        assert bank.add([draft("x")])[0].title == "x"
