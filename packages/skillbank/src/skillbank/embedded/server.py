"""EmbeddedServer: the Postgres of one directory, shared by all processes that open it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from psycopg.conninfo import make_conninfo

from skillbank.embedded import supervisor
from skillbank.embedded.account import Account, server_account
from skillbank.embedded.cluster import (
    APP_ROLE,
    DATABASE,
    OWNER_ROLE,
    create,
    program_environment,
    programs_for,
)
from skillbank.embedded.layout import Layout, find_layout
from skillbank.embedded.locks import FileLock, is_held, share
from skillbank.errors import ServerError

__all__ = ["APP_ROLE", "OWNER_ROLE", "EmbeddedServer"]

_START_SECONDS = 120.0
"""Long enough for recovery after a crash."""
_ATTEMPTS = 3
_LOG_LIMIT = 1_000_000

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "password_encryption": "scram-sha-256",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "16MB",
    "max_wal_size": "256MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_worker_processes": "2",
    "max_logical_replication_workers": "0",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "io_method": "sync",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class EmbeddedServer:
    """A running server and our claim on it; `close` gives the claim up."""

    def __init__(self, layout: Layout, claim: FileLock, account: Account | None) -> None:
        """Wrap a server that `open` has found or started."""
        self._layout = layout
        self._claim = claim
        self._account = account
        self._process = os.getpid()

    @classmethod
    def open(cls, directory: Path) -> "EmbeddedServer":
        """Return the directory's server, making and starting what is missing.

        Raises:
            ServerError: it cannot be made or started; the message has the log's end.
            BankInUse: it belongs to another user, or has been ending for too long.
        """
        directory = directory.expanduser().resolve()
        layout = find_layout(directory)
        if layout is None:
            create(directory)
            layout = find_layout(directory)
        if layout is None:
            raise ServerError(f"{directory} vanished while the bank was made")
        account = server_account()
        try:
            claim = share(layout.clients, timeout=_START_SECONDS)
        except OSError as err:
            raise ServerError(f"the bank's database cannot be used: {err}") from err
        try:
            _ensure_running(layout, account)
        except BaseException:
            claim.close()
            raise
        return cls(layout, claim, account)

    def conninfo(self, role: str) -> str:
        """Return how `role` connects, password included: never log it."""
        password = json.loads(self._layout.secrets.read_text(encoding="utf-8"))[role]
        peer = {} if self._account is None else {"requirepeer": self._account.name}
        return make_conninfo(
            host=str(self._layout.sockets),
            port=5432,
            dbname=DATABASE,
            user=role,
            password=password,
            sslmode="disable",
            connect_timeout=10,
            application_name="skillbank",
            **peer,
        )

    def close(self) -> None:
        """Give up the claim; the server ends soon after its last one."""
        if os.getpid() == self._process:
            self._claim.close()


def _ensure_running(layout: Layout, account: Account | None) -> None:
    deadline = time.monotonic() + _START_SECONDS
    attempts = 0
    while True:
        answers = _answers(layout)
        supervised = is_held(layout.supervisor)
        if answers and supervised:
            return
        if not supervised:
            if attempts == _ATTEMPTS:
                raise ServerError(f"the server of {layout.base} does not start:\n{_tail(layout)}")
            attempts += 1
            _supervise(layout, account)
        if time.monotonic() > deadline:
            raise ServerError(
                f"the server of {layout.base} did not accept a connection within "
                f"{_START_SECONDS:.0f} s:\n{_tail(layout)}"
            )
        time.sleep(0.02)


def _answers(layout: Layout) -> bool:
    """Tell whether the server speaks: asks for a password, neither starting nor ending."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(layout.sockets / ".s.PGSQL.5432"))
            probe.sendall(_startup_message())
            return probe.recv(1024)[:1] == b"R"
        except OSError:
            return False


def _startup_message() -> bytes:
    # Protocol 3.0; the server's first byte tells its state: R asks for authentication,
    # E is an error such as "the database system is starting up".
    fields = f"user\0{APP_ROLE}\0database\0{DATABASE}\0application_name\0probe\0\0".encode()
    return (len(fields) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + fields


def _supervise(layout: Layout, account: Account | None) -> None:
    if layout.log.stat().st_size > _LOG_LIMIT and not is_held(layout.server):
        os.truncate(layout.log, 0)
    places = {
        "unix_socket_directories": str(layout.sockets),
        "hba_file": str(layout.access_rules),
    }
    settings = [f"--{name}={value}" for name, value in (_SETTINGS | places).items()]
    programs = programs_for(account)
    job = supervisor.Job(
        command=[str(programs / "postgres"), "-D", str(layout.data), *settings],
        data=str(layout.data),
        environment=program_environment(),
        clients=str(layout.clients),
        server=str(layout.server),
        supervisor=str(layout.supervisor),
        log=str(layout.log),
        user=None if account is None else account.user,
        group=None if account is None else account.group,
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", supervisor.__file__, json.dumps(vars(job))],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        text=True,
    )
    if done.returncode != 0:
        raise ServerError(f"the server's supervisor does not start: {done.stderr[-1000:]}")


def _tail(layout: Layout) -> str:
    lines = layout.log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-10:]) or "(its log is empty)"
