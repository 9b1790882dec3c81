"""A bank on a server: how it is reached, what its role needs, and what is said when it lacks it."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from tests.fix_bank import draft
from tests.fix_server import HOST, TcpDatabase

from skillbank import InvalidQuery, ServerError, SkillBank
from skillbank.embedders import HashingEmbedder


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def refused(url: str, *, name: str = "default") -> str:
    with pytest.raises(ServerError) as caught:
        SkillBank.open(url, name=name)
    return str(caught.value)


def test_a_role_that_may_create_a_schema_needs_no_more(tcp_database: TcpDatabase) -> None:
    embedder = HashingEmbedder()
    with SkillBank.open(tcp_database.creator_url, name="mine", embedder=embedder) as bank:
        (skill,) = bank.add([draft("kept")])
        bank.optimize()
    with SkillBank.open(tcp_database.creator_url, name="mine", embedder=embedder) as bank:
        assert bank.search("kept")[0].skill == skill


def test_tls_is_as_the_url_says(tcp_database: TcpDatabase) -> None:
    url = tcp_database.owner_url
    assert "sslmode=verify-full" in url
    with SkillBank.open(url.replace("postgresql://", "postgres://")) as bank:
        assert bank.revision == 0
    said = refused(url.replace(HOST, "localhost", 1))
    assert "certificate" in said
    assert "localhost" in said
    plain = url.partition("?")[0] + "?sslmode=disable"
    assert "cannot be reached" in refused(plain)


def test_who_may_not_enter_is_told_and_no_password_is(tcp_database: TcpDatabase) -> None:
    owner = tcp_database.owner
    password = tcp_database.server.passwords[owner]
    for asked, given, reason in [
        (f"{owner}:", f"{owner}:x", f'password authentication failed for user "{owner}"'),
        (owner, "nobody", 'password authentication failed for user "nobody"'),
        (f"/{tcp_database.name}?", "/nowhere?", 'database "nowhere" does not exist'),
    ]:
        said = refused(tcp_database.owner_url.replace(asked, given, 1))
        assert reason in said
        assert password not in said
        assert quote(password, safe="") not in said


def test_a_server_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert "cannot be reached" in refused(f"postgresql:///skillbank?host={quote(str(tmp_path))}")
    assert "Connection refused" in refused(f"postgresql://x@{HOST}:1/x?connect_timeout=5")


@pytest.mark.parametrize("url", ["mysql://root@localhost/x", "https://example.org", "sqlite:///x"])
def test_another_kind_of_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidQuery, match="target must be a directory or a postgresql:// URL"):
        SkillBank.open(url)


def test_without_the_extension_it_is_said_who_can_install_it(
    bare_tcp_database: TcpDatabase,
) -> None:
    said = refused(bare_tcp_database.owner_url)
    assert "have a superuser run 'create extension vector' in this database" in said
    execute(bare_tcp_database.admin_url, "create extension vector")
    with SkillBank.open(bare_tcp_database.owner_url) as bank:
        assert bank.add([draft("kept")])


def test_an_extension_out_of_sight_is_said_to_be(bare_tcp_database: TcpDatabase) -> None:
    execute(
        bare_tcp_database.admin_url,
        "create schema extensions",
        "create extension vector schema extensions",
        "grant usage on schema extensions to public",
    )
    said = refused(bare_tcp_database.owner_url)
    assert "not on this role's search path" in said
    execute(
        bare_tcp_database.admin_url,
        f"alter role {bare_tcp_database.owner} set search_path = public, extensions",
    )
    with SkillBank.open(bare_tcp_database.owner_url, embedder=HashingEmbedder()) as bank:
        bank.add([draft("kept")])
        assert bank.search("kept")


def test_the_daily_role_does_all_but_own(daily_role: str, tcp_database: TcpDatabase) -> None:
    tcp_database.server.admit(daily_role, tcp_database.name)
    url = tcp_database.url(daily_role)
    assert "may not make the schema 'skillbank'" in refused(url)
    SkillBank.open(tcp_database.owner_url).close()
    with SkillBank.open(url, name="mine", screen=None, embedder=HashingEmbedder(8)) as bank:
        (skill, *_) = bank.add([draft(f"text {number}") for number in range(600)])
        bank.revise(skill.id, draft("better"), reason="r")
        bank.optimize()  # a small bank needs nothing
        assert [hit.skill.title for hit in bank.search("better", mode="text")] == ["better"]
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in (
            "delete from skillbank.version",
            "update skillbank.version set title = ''",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())


def test_a_role_that_may_only_read_is_told_what_it_lacks(tcp_database: TcpDatabase) -> None:
    with SkillBank.open(tcp_database.owner_url, name="shared") as bank:
        bank.add([draft("kept")])
    execute(
        tcp_database.owner_url,
        f"grant usage on schema skillbank to {tcp_database.app}",
        f"grant select on all tables in schema skillbank to {tcp_database.app}",
    )
    with SkillBank.open(tcp_database.app_url, name="shared") as bank:
        assert [hit.skill.title for hit in bank.search("kept")] == ["kept"]
        with pytest.raises(ServerError, match="lacks a right that the bank needs: permission den"):
            bank.add([draft("new")])
        assert bank.revision == 1
    assert "lacks a right" in refused(tcp_database.app_url, name="not there yet")


def test_more_threads_than_connections_take_turns(tcp_database: TcpDatabase) -> None:
    with SkillBank.open(tcp_database.owner_url) as bank:

        def work(number: int) -> int:
            bank.add([draft(f"text {number}")])
            return len(bank.search("text", 100))

        with ThreadPoolExecutor(32) as threads:
            found = list(threads.map(work, range(32)))
        assert bank.revision == max(found) == 32


def test_a_bank_outlives_its_connections(tcp_database: TcpDatabase) -> None:
    with SkillBank.open(tcp_database.owner_url) as bank:
        bank.add([draft("kept")])
        execute(
            tcp_database.admin_url,
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where datname = '{tcp_database.name}' and usename = '{tcp_database.owner}'",
        )
        for _ in range(8):  # each lost connection may cost one call
            with suppress(ServerError):
                bank.add([draft("new")])
        assert [skill.title for skill in bank.skills()] == ["kept", "new"]
        assert bank.revision == 2
