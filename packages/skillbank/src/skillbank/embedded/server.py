"""EmbeddedServer: the Postgres of one directory, shared by all processes that open it."""

import json
import os
import socket
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path

from psycopg.conninfo import make_conninfo

from skillbank.embedded import supervisor
from skillbank.embedded.account import Account, server_account
from skillbank.embedded.binaries import VARIABLE, find_programs, wanted_major
from skillbank.embedded.cluster import APP_ROLE, DATABASE, OWNER_ROLE, create
from skillbank.embedded.layout import Layout, find_layout
from skillbank.embedded.leftovers import claim
from skillbank.embedded.locks import FileLock, is_held, share
from skillbank.embedded.programs import environment
from skillbank.errors import ServerError

__all__ = ["APP_ROLE", "OWNER_ROLE", "EmbeddedServer"]

_SILENT_SECONDS = 120.0
"""How long a server may say nothing. One that says it is recovering takes what it takes."""
_ATTEMPTS = 2
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
    # A server without pgvector must not come up only to fail at the first query.
    "shared_preload_libraries": "vector",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
if sys.platform == "linux":
    # Before recovery, everything is synced: with one call, not file by file for seconds.
    _SETTINGS["recovery_init_sync_method"] = "syncfs"
_NEWER_SETTINGS = {18: {"io_method": "sync"}}
"""Release -> what is known from then on."""


class _State(Enum):
    READY = "lets in or refuses whoever asks"
    BUSY = "starts, recovers or ends"
    SILENT = "does not answer"


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
        _check_release(layout, account)
        try:
            lock = share(layout.clients, timeout=_SILENT_SECONDS)
        except OSError as err:
            raise ServerError(f"the bank's database cannot be used: {err}") from err
        try:
            claim(layout, directory)
            _ensure_running(layout, account)
        except BaseException:
            lock.close()
            raise
        return cls(layout, lock, account)

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


def _check_release(layout: Layout, account: Account | None) -> None:
    made, ours = layout.read_major(), wanted_major(account)
    if made != ours:
        raise ServerError(
            f"the bank was made by Postgres {made}, this process uses Postgres {ours}: set "
            f"{VARIABLE} to the programs of a Postgres {made}, or with those dump the bank and "
            "import it into a new one"
        )


def _ensure_running(layout: Layout, account: Account | None) -> None:
    deadline = time.monotonic() + _SILENT_SECONDS
    attempts = 0
    pause = 0.01
    while True:
        state = _state(layout)
        supervised = is_held(layout.supervisor)
        if state is _State.READY and supervised:
            return
        if state is _State.BUSY:
            deadline = time.monotonic() + _SILENT_SECONDS
        if not supervised:
            if attempts == _ATTEMPTS:
                raise ServerError(f"the server of {layout.base} does not start:\n{_tail(layout)}")
            attempts += 1
            _supervise(layout, account)
        if time.monotonic() > deadline:
            raise ServerError(
                f"the server of {layout.base} has not answered for {_SILENT_SECONDS:.0f} s:\n"
                f"{_tail(layout)}"
            )
        time.sleep(pause)
        pause = min(1.3 * pause, 0.25)  # each question leaves a line in the log


def _state(layout: Layout) -> _State:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5.0)
        try:
            probe.connect(str(layout.socket))
            probe.sendall(_startup_message())
            reply = probe.recv(1024)
        except OSError:
            return _State.SILENT
    if _CANNOT_CONNECT_NOW in reply:
        return _State.BUSY
    # Any other error, too many clients for instance, is one for whoever connects.
    return _State.READY if reply[:1] in (b"R", b"E") else _State.SILENT


_CANNOT_CONNECT_NOW = b"C57P03\0"


def _startup_message() -> bytes:
    # Protocol 3.0. The first byte of the answer is R if the server asks for authentication,
    # E for an error, whose field C is its code.
    fields = f"user\0{APP_ROLE}\0database\0{DATABASE}\0application_name\0probe\0\0".encode()
    return (len(fields) + 8).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + fields


def _supervise(layout: Layout, account: Account | None) -> None:
    if layout.log.stat().st_size > _LOG_LIMIT and not is_held(layout.server):
        os.truncate(layout.log, 0)
    places = {
        "unix_socket_directories": str(layout.sockets),
        "hba_file": str(layout.access_rules),
    }
    programs = find_programs(account)
    settings = _SETTINGS | places
    for major, newer in _NEWER_SETTINGS.items():
        if programs.major >= major:
            settings |= newer
    options = [f"--{name}={value}" for name, value in settings.items()]
    job = supervisor.Job(
        command=[str(programs.postgres), "-D", str(layout.data), *options],
        data=str(layout.data),
        stale=[str(layout.data / "postmaster.pid"), f"{layout.socket}.lock"],
        environment=environment(),
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
