"""A Postgres with pgvector over TCP, in its default configuration, for whoever compares."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from skillbank.embedded.account import server_account
from skillbank.embedded.binaries import find_programs
from skillbank.embedded.programs import environment, run

_HOST = "127.0.0.1"
_USER = "benchmark"
_RULES = f"host all all {_HOST}/32 scram-sha-256\nhost all all all reject\n"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    url: str
    postmaster: int
    """Its process; those that answer are its children."""


@contextmanager
def tcp_server(place: Path) -> Iterator[Server]:
    """Start a server with its data in `place`, and end it."""
    account = server_account()
    programs = find_programs(account)
    password = secrets.token_urlsafe(24)
    place.mkdir(mode=0o755)
    (place / "data").mkdir(mode=0o700)
    (place / "password").write_text(password, encoding="ascii")
    (place / "access.conf").write_text(_RULES, encoding="ascii")
    (place / "password").chmod(0o600)
    if account is not None:
        for name in ("data", "password"):
            os.chown(place / name, account.user, account.group)
    initdb = [str(programs.initdb), "-D", str(place / "data"), f"--username={_USER}"]
    run(
        [*initdb, f"--pwfile={place / 'password'}", "--auth=scram-sha-256", "--encoding=UTF8"],
        account,
    )
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        port = probe.getsockname()[1]
    options = {
        "listen_addresses": _HOST,
        "port": port,
        "unix_socket_directories": "",
        "hba_file": place / "access.conf",
    }
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [str(programs.postgres), "-D", str(place / "data")]
            + [f"--{name}={value}" for name, value in options.items()],
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
    try:
        url = f"postgresql://{_USER}:{password}@{_HOST}:{port}/postgres"
        _wait_until_ready(url, process, place / "log")
        yield Server(url, process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _end_with_parent() -> Callable[[], None] | None:
    """What has the kernel interrupt the server when this process is killed."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(1, int(signal.SIGINT))  # PR_SET_PDEATHSIG


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        try:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create extension if not exists vector")
            return
        except psycopg.OperationalError:
            if process.poll() is not None:
                raise RuntimeError(f"the server has ended:\n{log.read_text()}") from None
            time.sleep(0.1)
    raise RuntimeError("the server does not answer")
