"""The processes that keep one embedded server for as long as somebody uses it.

Run as a program, with the standard library only and nothing of this package, so that it
starts fast and can give up root's rights. It trusts locks and pipes, not process ids: the
kernel drops the clients' locks when they die, and closes the pipe that the server's
processes hold when the last of them has died.

Who is killed  what happens
a client       its lock is gone; after the last one the server is stopped
the server     it is started again, and recovers, while clients are left
the supervisor its standby, a forked copy that does nothing else, goes on in its place; on
               Linux the kernel has told the server to end with its parent, elsewhere the
               standby does; it starts the server again while clients are left
both of them   Linux: the server ends. Elsewhere it stays until the bank is opened again.
"""

import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

POLL_SECONDS = 0.25
LINGER_SECONDS = 3.0
"""How long a server without clients waits for another; far below the promised 30 s."""
_STOP_SECONDS = 60.0
_ATTEMPTS = 3
"""Starts in a row that Postgres itself gives up before we do."""
_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, see prctl(2)


@dataclass(frozen=True)
class Job:
    """What to supervise."""

    command: list[str]
    """Starts the server in the foreground."""
    data: str
    stale: list[str]
    """Files that a dead server leaves and a new one would believe."""
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
    clients, server, supervisor = map(_open, (job.clients, job.server, job.supervisor))
    if not _lock_soon(supervisor):
        return 0
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    set_death_signal = _death_signal()
    if os.fork():
        return 0
    os.setsid()
    for stream in (1, 2):
        os.dup2(log, stream)
    if job.user is not None and job.group is not None:
        os.setgroups([])
        os.setgid(job.group)
        os.setuid(job.user)
    # From here on nothing may be imported: we may be unable to read the standard library.
    if _end_stranger(job, server):
        _supervise(job, clients, lambda: _Server(job, server, set_death_signal))
    else:
        os.write(2, b"an earlier server does not end, nor let another start\n")
    # In this order: whoever gets the clients' lock must find no supervisor left.
    os.close(supervisor)
    os.close(clients)
    return 0


def _supervise(job: Job, clients: int, start: Callable[[], "_Server"]) -> None:
    stopping: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        stopping.append(number)

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    failures = 0
    # Once we have the clients' lock, newcomers wait until we have ended.
    while not stopping and failures < _ATTEMPTS and not _lock(clients):
        server = start()
        was_ready = _keep(server, job, clients, stopping)
        if was_ready or server.was_killed():
            failures = 0
        else:
            failures += 1
            time.sleep(POLL_SECONDS)
        server.close()


def _keep(server: "_Server", job: Job, clients: int, stopping: list[int]) -> bool:
    """Return when the server has ended: whether it had been ready for clients."""
    standby = _Standby()
    was_ready = False
    idle_since: float | None = None
    while not (standby.is_me or server.has_ended(within=POLL_SECONDS)):
        if standby.is_gone():
            standby = _Standby()
            continue
        was_ready = was_ready or _is_ready(job.data)
        if not _is_free(clients):
            idle_since = None
        elif idle_since is None:
            idle_since = time.monotonic()
        idle = idle_since is not None and time.monotonic() - idle_since >= LINGER_SECONDS
        if stopping or (idle and _lock(clients)):
            server.stop()
            break
    if standby.is_me:
        server.stop()
        fcntl.flock(clients, fcntl.LOCK_UN)  # which the dead one may have got
        return True
    standby.end()
    return was_ready


class _Server:
    """One run of the server, known by a pipe that all its processes hold open."""

    def __init__(self, job: Job, lock: int, set_death_signal: Callable[[], None]) -> None:
        """Start it; its processes also share our hold on `lock`."""
        # No server that we started lives, so what it left behind means nothing: not even a
        # process id that some other program has by now. Only a server that somebody started
        # by hand would be in the data directory still; Postgres then refuses to be a second.
        if not (_shows_processes() and _postmaster(job.data) is not None):
            for name in job.stale:
                with suppress(FileNotFoundError):
                    os.unlink(name)
        parent = os.getpid()

        def tie() -> None:
            set_death_signal()
            if os.getppid() != parent:  # it died before the kernel knew
                os._exit(1)

        self._data = job.data
        self._pipe, handed = os.pipe()
        self._process = subprocess.Popen(
            job.command,
            stdin=subprocess.DEVNULL,
            env=job.environment,
            cwd="/",
            pass_fds=[lock, handed],
            preexec_fn=tie,
        )
        os.close(handed)

    def has_ended(self, within: float) -> bool:
        """Wait up to `within` seconds until none of its processes is left."""
        ended = bool(select.select([self._pipe], [], [], within)[0])
        self._process.poll()
        return ended

    def was_killed(self) -> bool:
        """Tell whether it ended by no decision of its own."""
        return (self._process.poll() or 0) < 0

    def stop(self) -> None:
        """Make it disconnect everybody and end."""
        for number in (signal.SIGINT, signal.SIGQUIT):  # fast, then immediate
            child = self._process.pid if self._process.poll() is None else None
            if (postmaster := child or _postmaster(self._data)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(postmaster, number)
            if self.has_ended(within=_STOP_SECONDS):
                return

    def close(self) -> None:
        """Forget it."""
        os.close(self._pipe)


class _Standby:
    """A copy of this process that sleeps until this one has died.

    It shares our locks, so that nobody else takes the dead one's place meanwhile.
    """

    def __init__(self) -> None:
        """Fork; in the copy return when we have died, with `is_me` set."""
        life, self._held = os.pipe()
        self._process = os.fork()
        self.is_me = self._process == 0
        if self.is_me:
            os.close(self._held)
            os.read(life, 1)  # nothing comes: the end of file is our parent's death
        os.close(life)

    def is_gone(self) -> bool:
        """Tell whether the copy has died itself."""
        if os.waitpid(self._process, os.WNOHANG)[0] == 0:
            return False
        os.close(self._held)
        return True

    def end(self) -> None:
        """Kill the copy and wait for its end."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        os.close(self._held)


def _death_signal() -> Callable[[], None]:
    """Return what makes the kernel interrupt the calling process when its parent dies."""
    if sys.platform == "linux":
        with suppress(ImportError):
            import ctypes

            prctl = ctypes.CDLL(None).prctl
            return lambda: prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGINT))
    return lambda: None


def _end_stranger(job: Job, lock: int) -> bool:
    """Take the server's lock, ending a server that has lost its supervisors."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        if _lock_soon(lock):
            return True
        if (postmaster := _postmaster(job.data)) is not None:
            with suppress(ProcessLookupError):
                os.kill(postmaster, number)
        deadline = time.monotonic() + _STOP_SECONDS
        while not _lock(lock) and time.monotonic() < deadline:
            time.sleep(0.02)
    return _lock_soon(lock)


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


def _is_ready(data: str) -> bool:
    try:
        lines = Path(data, "postmaster.pid").read_bytes().split(b"\n")
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == b"ready"


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
