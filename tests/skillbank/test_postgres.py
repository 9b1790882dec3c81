"""What only a database can get wrong: rights, migrations, concurrent writers, forks."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.fix_bank import draft

import skillbank
from skillbank import RetrievalSettings, ServerError, SkillBank
from skillbank.embedded.cluster import APP_ROLE, DATABASE, OWNER_ROLE
from skillbank.embedded.layout import Layout
from skillbank.migrate import is_current, migrate
from skillbank.sql import migrations, queries

LayoutOf = Callable[[Path], Layout]

WRITER = """
import sys
from skillbank import Provenance, SkillBank, SkillDraft
directory, name, who = sys.argv[1:]
with SkillBank.open(directory, name=name) as bank:
    for number in range(20):
        bank.add([SkillDraft(title=f"{who} {number}", principle="p", when_to_apply="w",
                             kind="general", provenance=Provenance(source="manual"))])
"""

FORKER = """
import os, sys
from skillbank import BankInUse, SkillBank
bank = SkillBank.open(sys.argv[1], name=sys.argv[2])
child = os.fork()
if child == 0:
    try:
        bank.skills()
    except BankInUse as err:
        bank.close()
        with SkillBank.open(sys.argv[1], name=sys.argv[2]) as own:
            os._exit(0 if own.revision == 0 else 4)
    os._exit(5)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert bank.skills() == []
bank.close()
"""


@pytest.fixture(scope="session")
def conninfo(embedded_directory: Path, layout_of: LayoutOf) -> Callable[[str], str]:
    """(role) -> how it connects to the shared server."""
    layout = layout_of(embedded_directory)
    passwords = json.loads(layout.secrets.read_text(encoding="utf-8"))

    def of(role: str) -> str:
        return make_conninfo(
            host=str(layout.sockets), dbname=DATABASE, user=role, password=passwords[role]
        )

    return of


def test_a_bank_is_still_there_when_opened_again(embedded_directory: Path) -> None:
    with SkillBank.open(embedded_directory, name="again") as bank:
        added = bank.add([draft("kept")])
        identity = bank.id
    with SkillBank.open(embedded_directory, name="again") as bank:
        assert (bank.id, bank.skills(), bank.revision) == (identity, added, 1)


def test_banks_of_one_database_are_apart(embedded_directory: Path) -> None:
    with (
        SkillBank.open(embedded_directory, name="left") as left,
        SkillBank.open(embedded_directory, name="right") as right,
    ):
        left.add([draft("left")])
        assert (right.revision, right.skills()) == (0, [])


def test_a_url_opens_a_bank_too(
    embedded_directory: Path, layout_of: LayoutOf, embedded_bank: SkillBank
) -> None:
    layout = layout_of(embedded_directory)
    password = json.loads(layout.secrets.read_text(encoding="utf-8"))[OWNER_ROLE]
    url = f"postgresql://{OWNER_ROLE}:{password}@/{DATABASE}?host={quote(str(layout.sockets))}"
    added = embedded_bank.add([draft("seen from both")])
    with SkillBank.open(url, name=embedded_bank.name) as bank:
        assert (bank.id, bank.skills()) == (embedded_bank.id, added)


def test_a_closed_bank_says_so(embedded_directory: Path) -> None:
    bank = SkillBank.open(embedded_directory)
    bank.close()
    bank.close()
    with pytest.raises(ServerError, match="closed"):
        bank.skills()


def test_processes_that_write_at_once_lose_nothing(
    embedded_directory: Path, bank_environment: dict[str, str], embedded_bank: SkillBank
) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(embedded_directory), embedded_bank.name, who],
            env=bank_environment,
        )
        for who in ("one", "two")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    titles = {skill.title for skill in embedded_bank.skills()}
    assert titles == {f"{who} {number}" for who in ("one", "two") for number in range(20)}
    assert embedded_bank.revision == 40


def test_a_forked_child_cannot_use_or_break_its_parents_bank(
    embedded_directory: Path, bank_environment: dict[str, str], embedded_bank: SkillBank
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKER, str(embedded_directory), embedded_bank.name],
        env=bank_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_daily_use_can_neither_rewrite_nor_delete(conninfo: Callable[[str], str]) -> None:
    forbidden = [
        "update skillbank.version set title = 'x'",
        "delete from skillbank.version",
        "delete from skillbank.exposure",
        "update skillbank.bank set id = gen_random_uuid()",
        "insert into skillbank.migration values ('9', '9')",
        "create table skillbank.mine (id int)",
        "create table public.mine (id int)",
        "create role mine",
        "alter table skillbank.bank disable row level security",
    ]
    with psycopg.connect(conninfo(APP_ROLE), autocommit=True) as connection:
        for statement in forbidden:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_no_role_that_can_log_in_is_a_superuser(conninfo: Callable[[str], str]) -> None:
    with psycopg.connect(conninfo(APP_ROLE)) as connection:
        rows = connection.execute(
            "select rolname, rolsuper, rolcreatedb, rolcreaterole, rolbypassrls from pg_roles "
            "where rolname in (%s, %s)",
            (APP_ROLE, OWNER_ROLE),
        ).fetchall()
        owners = connection.execute(
            "select distinct tableowner from pg_tables where schemaname = 'skillbank'"
        ).fetchall()
    assert sorted(rows) == [(role, False, False, False, False) for role in (APP_ROLE, OWNER_ROLE)]
    assert owners == [(OWNER_ROLE,)]


def test_nobody_enters_without_a_password_and_the_superuser_not_at_all(
    embedded_directory: Path, layout_of: LayoutOf
) -> None:
    sockets = str(layout_of(embedded_directory).sockets)
    for role, database, password, said in [
        (APP_ROLE, DATABASE, "wrong", "password authentication failed"),
        (APP_ROLE, "postgres", "wrong", "no pg_hba.conf entry"),
        ("skillbank_admin", DATABASE, "wrong", "no pg_hba.conf entry"),
    ]:
        with pytest.raises(psycopg.OperationalError, match=said):
            psycopg.connect(host=sockets, user=role, dbname=database, password=password)


def test_the_server_listens_on_its_socket_only_and_syncs(conninfo: Callable[[str], str]) -> None:
    names = ("listen_addresses", "fsync", "synchronous_commit", "data_checksums")
    with psycopg.connect(conninfo(APP_ROLE)) as connection:
        values = [
            connection.execute("select current_setting(%s)", (name,)).fetchone() for name in names
        ]
    assert values == [("",), ("on",), ("on",), ("on",)]


def test_pgvector_is_in_place(conninfo: Callable[[str], str]) -> None:
    with psycopg.connect(conninfo(APP_ROLE)) as connection:
        row = connection.execute("select '[1,2]'::vector <#> '[3,4]'::vector").fetchone()
    assert row == (-11.0,)  # the negative inner product: -(1*3 + 2*4)


def test_migrating_again_changes_nothing(conninfo: Callable[[str], str]) -> None:
    with psycopg.connect(conninfo(OWNER_ROLE), autocommit=True) as connection:
        before = connection.execute("select * from skillbank.migration").fetchall()
        migrate(connection)
        assert connection.execute("select * from skillbank.migration").fetchall() == before
        assert [row[0] for row in before] == [step.name for step in migrations()]


def test_a_newer_schema_is_refused_by_name(conninfo: Callable[[str], str]) -> None:
    with psycopg.connect(conninfo(OWNER_ROLE)) as connection:
        connection.execute("insert into skillbank.migration values ('9999_future', 'x')")
        with pytest.raises(ServerError, match=r"has migration 9999_future.*upgrade skillbank"):
            is_current(connection)
        connection.rollback()


def test_a_migration_that_changed_after_it_was_applied_is_refused(
    conninfo: Callable[[str], str],
) -> None:
    with psycopg.connect(conninfo(OWNER_ROLE)) as connection:
        connection.execute("update skillbank.migration set checksum = 'other'")
        with pytest.raises(ServerError, match="0001_bank was applied with checksum other"):
            is_current(connection)
        connection.rollback()


def test_every_query_has_a_name_and_a_user() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for path in Path(skillbank.__file__).parent.glob("*.py")
    )
    used = set(re.findall(r'"(\w+)"', source))
    assert queries().keys() <= used
    assert all(b"%" not in re.sub(rb"%\(\w+\)[sb]", b"", text) for text in queries().values())


def test_reads_at_a_revision_use_an_index(
    conninfo: Callable[[str], str], embedded_bank: SkillBank
) -> None:
    embedded_bank.add([draft(f"skill {number}") for number in range(500)])
    bound = {
        "bank_id": embedded_bank.id,
        "skill_ids": [embedded_bank.skills()[0].id],
        "revision": 1,
    }
    with psycopg.connect(conninfo(OWNER_ROLE), autocommit=True) as connection:
        connection.execute("analyze skillbank.version, skillbank.status")
        plan = connection.execute(b"explain " + queries()["versions"], bound).fetchall()
    for table in ("version", "status"):
        assert any(f"{table}_pkey" in line for (line,) in plan)
        assert not any(f"Seq Scan on {table}" in line for (line,) in plan)


def test_text_finds_other_forms_of_a_word(embedded_bank: SkillBank) -> None:
    embedded_bank.add([draft("Washing mugs"), draft("Heated apples")])
    hits = embedded_bank.retrieve(
        "wash the mug", category=None, settings=RetrievalSettings(mode="text")
    ).hits
    assert [hit.skill.title for hit in hits] == ["Washing mugs", "Heated apples"]
    assert hits[0].score is not None
    assert hits[0].score > 0 == hits[1].score
