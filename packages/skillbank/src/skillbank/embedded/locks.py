"""File locks that the kernel releases when their holder dies, however it dies."""

import fcntl
import os
import time
import weakref
from pathlib import Path

from skillbank.errors import BankInUse


class FileLock:
    """An flock held on a file until `close` or the end of the process.

    A forked child shares the lock's open file with its parent, so it closes its copy at
    once: otherwise a long-lived child would keep a lock that its dead parent held.
    """

    def __init__(self, descriptor: int) -> None:
        """Own `descriptor`."""
        self._descriptor: int | None = descriptor
        _held.add(self)

    def close(self) -> None:
        """Release the lock; a second call does nothing."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    # An exception, Ctrl-C for one, may come before anybody has it to close.
    __del__ = close


_held: weakref.WeakSet[FileLock] = weakref.WeakSet()


def _close_all() -> None:
    for lock in list(_held):
        lock.close()


os.register_at_fork(after_in_child=_close_all)


def share(path: Path, *, timeout: float) -> FileLock:
    """Wait for a shared lock on `path`, which must exist.

    Raises:
        BankInUse: somebody held it exclusively for `timeout` seconds.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    lock = FileLock(descriptor)
    deadline = time.monotonic() + timeout
    while not try_lock(descriptor, fcntl.LOCK_SH):
        if time.monotonic() > deadline:
            lock.close()
            raise BankInUse(
                f"{path} has been locked for {timeout:.0f} s by a server that does not end"
            )
        time.sleep(0.01)
    return lock


def is_held(path: Path) -> bool:
    """Tell whether any living process holds a lock on `path`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return not try_lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int) -> bool:
    """Lock an open file (`LOCK_SH` or `LOCK_EX`) unless another holds it; tell whether."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
