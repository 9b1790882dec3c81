"""The test bed itself: what the tests of server mode rely on."""

import psycopg
import pytest
from tests.fix_server import HOST, TcpDatabase, TcpServer


def refused(url: str, statement: str = "select 1") -> str:
    with pytest.raises(psycopg.Error) as caught:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement.encode())
    return str(caught.value)


def test_everybody_enters_with_tls_and_a_password_only(tcp_database: TcpDatabase) -> None:
    with psycopg.connect(tcp_database.app_url) as connection:
        assert connection.pgconn.ssl_in_use
        assert connection.pgconn.used_password
        assert connection.info.host == HOST
        row = connection.execute("select current_user, current_database()").fetchone()
    assert row == (tcp_database.app, tcp_database.name)
    assert "no encryption" in refused(tcp_database.app_url.replace("verify-full", "disable"))
    wrong = tcp_database.app_url.replace(f"{tcp_database.app}:", f"{tcp_database.app}:x", 1)
    assert "password authentication failed" in refused(wrong)


def test_the_certificate_is_verified(tcp_database: TcpDatabase) -> None:
    other = tcp_database.app_url.replace(HOST, "localhost", 1)
    assert "does not match host name" in refused(other)
    with psycopg.connect(tcp_database.url(tcp_database.app, sslmode="require")) as connection:
        assert connection.pgconn.ssl_in_use


def test_each_role_may_do_what_its_name_says(tcp_database: TcpDatabase) -> None:
    schema = "create schema mine"
    assert "permission denied for database" in refused(tcp_database.app_url, schema)
    for url in (tcp_database.creator_url, tcp_database.owner_url):
        with psycopg.connect(url) as connection:
            connection.execute(schema.encode())
            assert connection.execute("select '[1,2]'::vector <-> '[1,2]'").fetchone() == (0,)
            rights = connection.execute(
                "select rolsuper, rolcreatedb, rolcreaterole, rolbypassrls "
                "from pg_roles where rolname = current_user"
            ).fetchone()
            assert rights == (False, False, False, False)
            connection.rollback()


def test_only_the_superuser_can_add_the_extension(bare_tcp_database: TcpDatabase) -> None:
    statement = "create extension vector"
    assert "permission denied to create extension" in refused(
        bare_tcp_database.owner_url, statement
    )
    with psycopg.connect(bare_tcp_database.admin_url) as connection:
        connection.execute(statement.encode())


def test_databases_of_two_tests_are_apart(
    tcp_server: TcpServer, tcp_database: TcpDatabase, bare_tcp_database: TcpDatabase
) -> None:
    stranger = tcp_server.url(tcp_database.owner, bare_tcp_database.name)
    assert "permission denied for database" in refused(stranger)
