"""The process that keeps one embedded server for as long as somebody uses it.

Run as a program, with the standard library only and nothing of this package, so that it
starts fast and can give up root's rights. It trusts locks, not process ids: the kernel
drops the clients' locks when they die, and the server's processes inherit a lock that
tells whether any of them is left. Killed itself, it leaves the server running, and the
next process to open the bank starts another supervisor.
"""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.25
LINGER_SECONDS = 3.0
"""How long a server without clients waits for another; far below the promised 30 s."""
_FAST_STOP_SECONDS = 60.0


@dataclass(frozen=True)
class Job:
    """What to supervise."""

    command: list[str]
    """Starts the server in the foreground."""
    data: str
    environment: dict[str, str]
    clients: str
    server: str
    supervisor: str
    log: str
    user: int | None
    """Whom to become, with `group`; None to stay who we are."""
    group: int | None


def main(job: Job) -> int:
    """Go to the background and supervise; return at once if somebody does already."""
    os.umask(0o077)
    locks = {name: _open(getattr(job, name)) for name in ("clients", "server", "supervisor")}
    # The server's processes keep this lock: a second open file, handed to them.
    handed = _open(job.server)
    if not _lock_soon(locks["supervisor"]):
        return 0
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    if os.fork():
        return 0
    os.setsid()
    for stream in (1, 2):
        os.dup2(log, stream)
    if job.user is not None and job.group is not None:
        os.setgroups([])
        os.setgid(job.group)
        os.setuid(job.user)
    _supervise(job, locks, handed)
    # In this order: whoever gets the clients' lock must find no supervisor left.
    os.close(locks["supervisor"])
    os.close(locks["clients"])
    return 0


def _supervise(job: Job, locks: dict[str, int], handed: int) -> None:
    stopping: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    child = _start(job, handed) if _lock_soon(handed) else None
    os.close(handed)

    def alive() -> bool:
        if child is not None and child.poll() is None:
            return True
        return not _is_free(locks["server"])

    idle_since: float | None = None
    while alive():
        if not _is_free(locks["clients"]):
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
        idle = idle_since is not None and time.monotonic() - idle_since >= LINGER_SECONDS
        # Once we have the clients' lock, newcomers wait until the server has ended.
        if stopping or (idle and _lock(locks["clients"])):
            _stop(_postmaster(job.data) if child is None else child.pid, alive)
            return
        time.sleep(POLL_SECONDS)


def _start(job: Job, handed: int) -> "subprocess.Popen[bytes]":
    # No server that we started lives, so what it left behind means nothing: not even a
    # process id that some other program has by now. Only a server that somebody started
    # by hand would be in the data directory still; Postgres then refuses to be a second.
    if not (_shows_processes() and _postmaster(job.data) is not None):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(job.data, "postmaster.pid"))
    return subprocess.Popen(
        job.command,
        stdin=subprocess.DEVNULL,
        env=job.environment,
        cwd="/",
        pass_fds=[handed],
    )


def _stop(postmaster: int | None, alive: Callable[[], bool]) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
        if postmaster is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster, number)
        deadline = time.monotonic() + _FAST_STOP_SECONDS
        while alive():
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        else:
            return


def _postmaster(data: str) -> int | None:
    # Bytes: after giving up root's rights we may not be able to import a codec.
    try:
        number = int(Path(data, "postmaster.pid").read_bytes().split(b"\n")[0])
    except (OSError, ValueError):
        return None
    # A server sits in its data directory; where that can be seen, look before signalling.
    if _shows_processes():
        try:
            sits_in = os.readlink(f"/proc/{number}/cwd")
        except OSError:
            return None
        return number if os.path.realpath(data) == sits_in else None
    return number


def _shows_processes() -> bool:
    return os.path.isdir("/proc/self")


def _open(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_soon(descriptor: int) -> bool:
    # Whoever asks whether a lock is held has it for a moment; only longer counts.
    for _ in range(20):
        if _lock(descriptor):
            return True
        time.sleep(0.01)
    return False


def _is_free(descriptor: int) -> bool:
    if not _lock(descriptor):
        return False
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return True


if __name__ == "__main__":
    sys.exit(main(Job(**json.loads(sys.argv[1]))))
