"""Reading files that may come from anywhere, and writing files whole or not at all."""

import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skillbank.characters import on_one_line
from skillbank.errors import Conflict, InvalidImport, InvalidQuery

MAX_BYTES = 50_000_000
"""Most bytes in one file; a hundred thousand skills in JSONL are about seventy million."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was read."""

    name: str
    """Its name without folders, in visible characters."""
    suffix: str
    """Lower-case, with the dot."""
    text: str


def read_sources(path: str | os.PathLike[str], suffixes: frozenset[str]) -> list[Source]:
    """Return a file, or the files of a folder that have one of `suffixes`, by name.

    Folders within the folder are left alone.

    Raises:
        InvalidImport: nothing is there, a symbolic link or `..` is on the way, or a file
            is too large or not UTF-8.
    """
    place = Path(path)
    if ".." in place.parts:
        raise InvalidImport(f"{shown(place)} goes through '..'; name {shown(_real(place))} instead")
    mode = _mode(place)
    if not stat.S_ISDIR(mode):
        return [_read(place, mode)]
    found = [
        (inside, mode)
        for inside, mode in _inside(place)
        if not stat.S_ISDIR(mode) and inside.suffix.lower() in suffixes
    ]
    if not found:
        wanted = ", ".join(f"*{suffix}" for suffix in sorted(suffixes))
        raise InvalidImport(f"{shown(place)} has no file to import, which would be {wanted}")
    return [_read(inside, mode) for inside, mode in found]


def load_json(text: str, place: str) -> Any:  # noqa: ANN401  # any JSON value
    """Return what a JSON text says, if it says it in one way only.

    Raises:
        InvalidImport: it is not JSON, has a key twice in an object, or a number that is
            not finite; the message starts with `place`.
    """
    try:
        return json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_number,
            parse_float=_finite,
        )
    except json.JSONDecodeError as err:
        where = f"line {err.lineno} column {err.colno}" if "\n" in text else f"char {err.pos}"
        raise InvalidImport(f"{place}: not JSON at {where}: {err.msg}") from err
    except RecursionError as err:
        raise InvalidImport(f"{place}: not JSON that can be read: nested too deeply") from err
    except ValueError as err:
        raise InvalidImport(f"{place}: not JSON that can be read: {err}") from err


def write_file(path: str | os.PathLike[str], text: str, *, overwrite: bool = False) -> None:
    """Write a UTF-8 file, which appears when it is complete.

    Args:
        path: In a folder that exists.
        text: What to write.
        overwrite: Replace a file that is there.

    Raises:
        Conflict: something is there already.
        InvalidQuery: the file cannot be written there.
    """
    target = Path(path)
    if not overwrite and os.path.lexists(target):
        raise Conflict(f"{shown(target)} exists; choose another name, or ask to overwrite it")
    part = target.with_name(f".{target.name[:100]}.{os.getpid()}.part")
    try:
        try:
            with part.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as err:
        raise InvalidQuery(f"{shown(target)} cannot be written: {err.strerror or err}") from err


def shown(path: Path) -> str:
    """Return a path as a message can show it."""
    return on_one_line(str(path))


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _mode(path: Path) -> int:
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError) as err:
        raise InvalidImport(f"{shown(path)} cannot be read: {_why(err)}") from err
    if stat.S_ISLNK(mode):
        raise InvalidImport(
            f"{shown(path)} is a symbolic link, which is not followed; name {shown(_real(path))} "
            "instead"
        )
    return mode


def _inside(folder: Path) -> Iterator[tuple[Path, int]]:
    try:
        names = sorted(os.listdir(folder))
    except OSError as err:
        raise InvalidImport(f"{shown(folder)} cannot be read: {_why(err)}") from err
    for name in names:
        yield folder / name, _mode(folder / name)


def _read(path: Path, mode: int) -> Source:
    if not stat.S_ISREG(mode):
        raise InvalidImport(f"{shown(path)} is not an ordinary file")
    data = _bytes(path)
    if len(data) > MAX_BYTES:
        raise InvalidImport(
            f"{shown(path)} has more than {MAX_BYTES:,} bytes; split it, JSONL between any two "
            "lines, and import the folder of its parts"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InvalidImport(
            f"{shown(path)} is not UTF-8: byte {data[err.start]:#04x} at position {err.start}; "
            "save it as UTF-8"
        ) from err
    return Source(on_one_line(path.name), path.suffix.lower(), text)


def _bytes(path: Path) -> bytes:
    try:
        # The file may have become another one since it was looked at.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as err:
        raise InvalidImport(f"{shown(path)} cannot be read: {_why(err)}") from err


def _why(err: OSError | ValueError) -> str:
    if not isinstance(err, OSError):
        return str(err)  # a NUL in the path
    return "it is a symbolic link" if err.errno == errno.ELOOP else err.strerror or str(err)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice!r:.60} twice")
    return made


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits:.40} is too large a number")
    return number


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is not a number that JSON has")
