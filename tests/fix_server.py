"""A real Postgres over TCP on 127.0.0.1: TLS, SCRAM, a fresh database for each test.

The wheel's Postgres is built without TLS, so a small front ends it: to a client the two
together are a server that takes TLS connections only.
"""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
import pytest
import trustme
from psycopg import sql

from skillbank.embedded.account import Account, server_account
from skillbank.embedded.binaries import find_programs
from skillbank.embedded.programs import environment, run

HOST = "127.0.0.1"
ADMIN = "admin"
_TEMPLATE = "with_vector"
_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "io_method": "sync",
    "log_timezone": "UTC",
}
_ACCESS_RULES = f"""\
host all all {HOST}/32 scram-sha-256
"""


@dataclass(frozen=True)
class TcpServer:
    """A running server, and everybody's password."""

    port: int
    """Of the server itself, without TLS."""
    tls_port: int
    """Lets in TLS connections only."""
    authority: Path
    """The certificate that signed the server's own, to verify it by."""
    passwords: dict[str, str] = field(default_factory=dict)
    """Role -> password; ADMIN, a superuser, is there from the start."""

    def url(self, role: str, database: str, *, sslmode: str = "verify-full") -> str:
        """How `role` connects, password included; around the front for sslmode="disable"."""
        options = {"sslmode": sslmode}
        if sslmode.startswith("verify"):
            options["sslrootcert"] = str(self.authority)
        port = self.port if sslmode == "disable" else self.tls_port
        password = quote(self.passwords[role], safe="")
        return f"postgresql://{role}:{password}@{HOST}:{port}/{database}?{urlencode(options)}"

    def create_role(self, name: str, *rights: str) -> str:
        """Make a role that can log in, with `rights` such as SUPERUSER; return its name."""
        password = secrets.token_urlsafe(24) + "/@:?"  # what a URL has to quote
        self._execute(
            sql.SQL("create role {} login password {} " + " ".join(rights)).format(
                sql.Identifier(name), password
            )
        )
        self.passwords[name] = password
        return name

    def create_database(self, name: str, *, owner: str = ADMIN, vector: bool = True) -> str:
        """Make a database that nobody but its owner may enter; return its name."""
        options = sql.SQL("template {} owner {}").format(
            sql.Identifier(_TEMPLATE if vector else "template0"), sql.Identifier(owner)
        )
        database = sql.Identifier(name)
        self._execute(sql.SQL("create database {} {}").format(database, options))
        self._execute(sql.SQL("revoke all on database {} from public").format(database))
        return name

    def admit(self, role: str, database: str, *rights: str) -> None:
        """Let a role connect to a database, and have further rights, such as CREATE, on it."""
        self._execute(
            sql.SQL("grant " + ", ".join(("connect", *rights)) + " on database {} to {}").format(
                sql.Identifier(database), sql.Identifier(role)
            )
        )

    def drop_database(self, name: str) -> None:
        """Remove a database, disconnecting whoever is in it."""
        self._execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))

    def drop_role(self, name: str) -> None:
        """Remove a role that owns nothing any more."""
        self._execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
        del self.passwords[name]

    def prepare_template(self) -> None:
        """Make what new databases are copied from."""
        self._execute(sql.SQL("create database {}").format(sql.Identifier(_TEMPLATE)))
        self._execute(sql.SQL("create extension vector"), database=_TEMPLATE)

    def _execute(self, statement: sql.SQL | sql.Composed, *, database: str = "postgres") -> None:
        url = self.url(ADMIN, database, sslmode="disable")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)


@dataclass(frozen=True, slots=True)
class TcpDatabase:
    """One test's database, with pgvector, and the roles that people give such a library."""

    server: TcpServer
    name: str
    owner: str
    """Owns the database and is no superuser."""
    creator: str
    """May connect and create schemas, but owns nothing to begin with."""
    app: str
    """May connect, and do no more than others grant."""

    def url(self, role: str, *, sslmode: str = "verify-full") -> str:
        """How `role` connects to it."""
        return self.server.url(role, self.name, sslmode=sslmode)

    @property
    def admin_url(self) -> str:
        """As the superuser."""
        return self.url(ADMIN)

    @property
    def owner_url(self) -> str:
        """As the owner."""
        return self.url(self.owner)

    @property
    def creator_url(self) -> str:
        """As the role that may create schemas."""
        return self.url(self.creator)

    @property
    def app_url(self) -> str:
        """As the role that may create nothing."""
        return self.url(self.app)


@pytest.fixture(scope="session")
def tcp_server(bank_root: Path) -> Iterator[TcpServer]:
    """The server of this test run; it ends with it, even if the run is killed (on Linux)."""
    account = server_account()
    place = bank_root / "tcp-server"
    place.mkdir(mode=0o755)
    password = _set_up(place, account)
    port = _free_port()
    process = _start(place, port, account)
    try:
        with _tls_front(place, port) as tls_port:
            authority = place / "authority.pem"
            server = TcpServer(port, tls_port, authority, {ADMIN: password})
            _wait_until_ready(process, server, place)
            server.prepare_template()
            yield server
    finally:
        _end(process)


@pytest.fixture
def tcp_database(tcp_server: TcpServer) -> Iterator[TcpDatabase]:
    """A fresh database with pgvector, and its roles."""
    with _fresh(tcp_server, vector=True) as database:
        yield database


@pytest.fixture
def bare_tcp_database(tcp_server: TcpServer) -> Iterator[TcpDatabase]:
    """The same without pgvector: only the superuser may create it."""
    with _fresh(tcp_server, vector=False) as database:
        yield database


@contextmanager
def _fresh(server: TcpServer, *, vector: bool) -> Iterator[TcpDatabase]:
    name = f"t{secrets.token_hex(6)}"
    roles = [server.create_role(f"{name}_{part}") for part in ("owner", "creator", "app")]
    owner, creator, app = roles
    server.create_database(name, owner=owner, vector=vector)
    server.admit(creator, name, "create")
    server.admit(app, name)
    try:
        yield TcpDatabase(server, name, owner, creator, app)
    finally:
        server.drop_database(name)
        for role in roles:
            server.drop_role(role)


def _set_up(place: Path, account: Account | None) -> str:
    """Make the database and the certificates; return the superuser's password."""
    password = secrets.token_urlsafe(24)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(place / "authority.pem"))
    certificate = authority.issue_cert(HOST)
    certificate.cert_chain_pems[0].write_to_path(str(place / "server.pem"))
    certificate.private_key_pem.write_to_path(str(place / "server.key"))
    (place / "access.conf").write_text(_ACCESS_RULES, encoding="ascii")
    (place / "password").write_text(password, encoding="ascii")
    (place / "data").mkdir(mode=0o700)
    for name in ("password", "server.key"):
        (place / name).chmod(0o600)
    if account is not None:
        for name in ("data", "password"):
            os.chown(place / name, account.user, account.group)
    initdb = find_programs(account).initdb
    run(
        [
            *(str(initdb), "-D", str(place / "data"), f"--pwfile={place / 'password'}"),
            *(f"--username={ADMIN}", "--auth=scram-sha-256", "--no-sync", "--no-instructions"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin"),
            "--builtin-locale=C.UTF-8",
        ],
        account,
    )
    return password


@contextmanager
def _tls_front(place: Path, port: int) -> Iterator[int]:
    program = Path(__file__).with_name("tls_front.py")
    front = subprocess.Popen(
        [sys.executable, program, str(port), place / "server.pem", place / "server.key"],
        stdin=subprocess.PIPE,  # it ends when we close this, or die
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with front:
        assert front.stdout is not None
        yield int(front.stdout.readline())


def _start(place: Path, port: int, account: Account | None) -> "subprocess.Popen[bytes]":
    files = {
        "port": str(port),
        "hba_file": str(place / "access.conf"),
    }
    options = [f"--{name}={value}" for name, value in (_SETTINGS | files).items()]
    with (place / "log").open("wb") as log:
        return subprocess.Popen(
            [str(find_programs(account).postgres), "-D", str(place / "data"), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=environment(),
            user=None if account is None else account.user,
            group=None if account is None else account.group,
            extra_groups=None if account is None else [],
            start_new_session=True,
            preexec_fn=_end_with_parent(),
        )


def _end_with_parent() -> Callable[[], None] | None:
    """What has the kernel interrupt a new process when this one is killed."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, int(signal.SIGINT))  # PR_SET_PDEATHSIG


def _wait_until_ready(process: "subprocess.Popen[bytes]", server: TcpServer, place: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(server.url(ADMIN, "postgres"), connect_timeout=5).close()
            return
        except psycopg.OperationalError as err:
            if process.poll() is not None or time.monotonic() > deadline:
                said = (place / "log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"the test server does not start: {err}\n{said}") from err
        time.sleep(0.05)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)  # disconnects everybody and ends
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
