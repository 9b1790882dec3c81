"""Tenants of one database are apart, also on a connection that serves one after the other."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection, sql
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from tests.fix_bank import draft
from tests.fix_server import TcpServer
from tests.skillbank.test_store_reading import Exposed, Shown

from skillbank import Conflict, ServerError, SkillBank, UnknownSkill
from skillbank.database import Database
from skillbank.embedders import HashingEmbedder
from skillbank.postgres import PostgresStore

TENANTS = ("left", "right")
TABLES = {
    "version", "status", "change", "lineage", "outcome", "episode", "exposure",
    "snapshot", "document", "space", "space_use", "embedding",
}  # fmt: skip
Transaction = Callable[[str], AbstractContextManager[Connection[DictRow]]]
NOBODY = "select current_setting('skillbank_rls.tenant', true)"


@dataclass(frozen=True)
class House:
    """A database in which two tenants have something in every table."""

    urls: dict[str, str]
    """Role -> URL."""
    banks: dict[str, str]
    """Tenant -> the id of its bank."""


@pytest.fixture(scope="module")
def house(tcp_server: TcpServer, daily_role: str) -> House:
    owner = tcp_server.create_role("tenants_owner")
    name = tcp_server.create_database("tenants", owner=owner)
    tcp_server.admit(daily_role, name)
    url = tcp_server.url(owner, name)
    banks = {
        tenant: stock(PostgresStore(Database(url, tenant=tenant), "shared"), tenant)
        for tenant in TENANTS
    }
    return House({"owner": url, "app": tcp_server.url(daily_role, name)}, banks)


def stock(store: PostgresStore, tenant: str) -> str:
    """Put something into every table of the bank, and return its id."""
    with SkillBank(store, embedder=HashingEmbedder(8)) as bank:
        (skill,) = bank.add([draft(f"first of {tenant}")], key="batch-1")
        bank.revise(skill.id, draft(f"of {tenant}"), reason="r")
        bank.snapshot("before")
        with store.writing() as writer:
            writer.keep_document("header", "{}")
        shown = Exposed(bank.id, (Shown(skill.id),))
        bank.record(shown, success=True, reward=1.0, episode_id="e1", group_id="g")
        return bank.id


@pytest.fixture(params=["owner", "app"])
def database(request: pytest.FixtureRequest, house: House) -> Iterator[Database]:
    """One connection, which serves both tenants in turn."""
    database = Database(house.urls[request.param], tenant="left")
    database._pool.resize(1, 1)
    yield database
    database.close()


def as_tenant(database: Database, tenant: str) -> Database:
    database.tenant = tenant
    return database


def seen(connection: Connection[DictRow], table: str) -> set[str]:
    """The banks that rows of a table are of."""
    column = sql.Identifier("id" if table == "bank" else "bank_id")
    query = sql.SQL("select distinct {}::text as bank from skillbank.{}")
    rows = connection.execute(query.format(column, sql.Identifier(table))).fetchall()
    return {row["bank"] for row in rows}


def relations(connection: Connection[DictRow]) -> set[str]:
    rows = connection.execute(
        "select relname from pg_class where relnamespace = 'skillbank'::regnamespace "
        "and relkind in ('r', 'v', 'm', 'p')"
    ).fetchall()
    return {row["relname"] for row in rows} - {"migration"}


def test_no_table_shows_a_row_of_another_tenant(database: Database, house: House) -> None:
    backends = set()
    for tenant in (*TENANTS, "left", "nobody"):
        ours = {house.banks[tenant]} if tenant in TENANTS else set()
        for bank in house.banks.values():
            with as_tenant(database, tenant).writing(bank) as connection:
                assert relations(connection) == {*TABLES, "bank", "skill"}
                assert seen(connection, "bank") == ours
                for table in (*TABLES, "skill"):
                    assert seen(connection, table) == ours & {bank}, table
                backends.add(connection.info.backend_pid)
    assert len(backends) == 1


def test_banks_of_two_tenants_have_one_name_and_nothing_else_in_common(
    database: Database,
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "close", lambda: None)  # it is ours
        found = []
        for tenant in TENANTS:
            bank = SkillBank(PostgresStore(as_tenant(database, tenant), "shared"))
            assert [skill.title for skill in bank.skills()] == [f"of {tenant}"]
            assert [hit.skill.title for hit in bank.search("left right")] == [f"of {tenant}"]
            assert [snapshot.name for snapshot in bank.snapshots()] == ["before"]
            found.append((bank.id, bank.skills()[0].id))
        (left, _), (right, theirs) = found
        assert left != right
        with pytest.raises(UnknownSkill, match=theirs):
            SkillBank(PostgresStore(as_tenant(database, "left"), "shared")).get(theirs)


def columns(connection: Connection[DictRow], table: str) -> list[str]:
    rows = connection.execute(
        "select column_name from information_schema.columns where table_schema = 'skillbank' "
        "and table_name = %s and is_generated = 'NEVER' and is_identity = 'NO'",
        (table,),
    ).fetchall()
    return [row["column_name"] for row in rows]


@pytest.mark.parametrize("table", sorted(TABLES))
def test_nothing_can_be_put_into_another_tenants_bank(
    database: Database, house: House, table: str
) -> None:
    left, right = house.banks["left"], house.banks["right"]
    name = sql.Identifier(table)
    with as_tenant(database, "left").writing(left) as connection:
        names = sql.SQL(", ").join(map(sql.Identifier, columns(connection, table)))
        query = sql.SQL("select to_jsonb(t) as row from skillbank.{} t limit 1").format(name)
        row = connection.execute(query).fetchall()[0]["row"]
    statement = sql.SQL(
        "insert into skillbank.{table} ({names}) "
        "select {names} from jsonb_populate_record(null::skillbank.{table}, %s)"
    ).format(table=name, names=names)
    for shown in (left, right):
        with pytest.raises(ServerError, match="violates row-level security policy"):
            with database.writing(shown) as connection:
                connection.execute(statement, (Jsonb(row | {"bank_id": right}),))


def test_another_tenants_bank_can_be_neither_made_nor_changed(
    database: Database, house: House
) -> None:
    attempts = [
        "insert into skillbank.bank (id, tenant, name) values (gen_random_uuid(), 'right', 'new')",
        "update skillbank.bank set tenant = 'right'",
    ]
    refusal = r"violates row-level security policy|permission denied for table bank"
    for attempt in attempts:
        with pytest.raises(ServerError, match=refusal):
            with as_tenant(database, "left").writing(None) as connection:
                connection.execute(attempt.encode())
    other = house.banks["right"]
    with as_tenant(database, "left").writing(other) as connection:
        for statement in (
            "update skillbank.bank set revision = 9 where id = %s",
            "update skillbank.status set to_revision = 9 where bank_id = %s",
            "update skillbank.document set body = '' where bank_id = %s",
        ):
            assert connection.execute(statement.encode(), (other,)).rowcount == 0


def knows_nobody(database: Database) -> bool:
    """Whether the one connection, as it lies in the pool, sees nothing."""
    with database._pool.connection() as connection:
        row = connection.execute(NOBODY).fetchone()
        tenant = None if row is None else row["current_setting"]
        return not tenant and not any(seen(connection, table) for table in (*TABLES, "bank"))


def test_the_tenant_is_forgotten_with_the_transaction(database: Database, house: House) -> None:
    for transaction in (database.reading, database.writing):
        with transaction(house.banks["left"]) as connection:
            assert seen(connection, "version")
        assert knows_nobody(database)


def test_an_error_leaves_no_tenant_behind(database: Database, house: House) -> None:
    for transaction in (database.reading, database.writing):
        with suppress(ZeroDivisionError), transaction(house.banks["left"]) as connection:
            connection.execute("select 1")
            raise ZeroDivisionError
        assert knows_nobody(database)
        with suppress(psycopg.errors.DivisionByZero):
            with transaction(house.banks["left"]) as connection:
                connection.execute("select 1 / 0")
        assert knows_nobody(database)


def test_a_cancelled_query_leaves_no_tenant_behind(database: Database, house: House) -> None:
    def cancel(connection: Connection[DictRow]) -> None:
        time.sleep(0.2)
        connection.cancel_safe(timeout=10)

    def sleep_in(transaction: Transaction) -> None:
        with transaction(house.banks["left"]) as connection, ThreadPoolExecutor(1) as threads:
            threads.submit(cancel, connection)
            connection.execute("select pg_sleep(60)").fetchall()

    for transaction in (database.writing, database.reading):
        with pytest.raises(ServerError, match="canceling statement due to user request"):
            sleep_in(transaction)
        assert knows_nobody(database)


def test_a_conflict_leaves_no_tenant_behind(database: Database) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "close", lambda: None)
        bank = SkillBank(PostgresStore(as_tenant(database, "left"), "shared"))
        with pytest.raises(Conflict):
            bank.activate(bank.skills()[0].id, 2, reason="it is")
    assert knows_nobody(database)


@pytest.mark.parametrize("right", ["SUPERUSER", "BYPASSRLS"])
def test_a_role_above_the_policies_serves_no_named_tenant(
    tcp_server: TcpServer, house: House, right: str
) -> None:
    role = tcp_server.create_role(f"tenants_{right.lower()}", right)
    tcp_server.admit(role, "tenants")
    with psycopg.connect(house.urls["owner"]) as connection:
        for grant in ("usage on schema skillbank", "select on all tables in schema skillbank"):
            connection.execute(f"grant {grant} to {role}".encode())
    with pytest.raises(ServerError, match=rf"does not hold for the role '{role}'.*lacks BYPASSRLS"):
        SkillBank.open(tcp_server.url(role, "tenants"), name="shared", tenant="left")


def test_tenants_of_a_directory_are_apart(embedded_directory: Path) -> None:
    with (
        SkillBank.open(embedded_directory, name="tenants", tenant="left") as left,
        SkillBank.open(embedded_directory, name="tenants", tenant="right") as right,
    ):
        left.add([draft("of left")])
        right.add([draft("of right")])
        assert [skill.title for skill in left.skills()] == ["of left"]
        assert [hit.skill.title for hit in right.search("left right")] == ["of right"]
        with pytest.raises(UnknownSkill):
            right.get(left.skills()[0].id)
