"""JSONL files that survive a kill: a torn last line is dropped, nothing else is."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from skillrl_envs.errors import RecordFileError, SchemaError
from skillrl_envs.schema import Versioned, from_json, to_json

T = TypeVar("T", bound=Versioned)


class JsonlWriter:
    """Appends records, each handed to the operating system before `write` returns.

    Opening cuts a torn last line, which is all that a killed writer can leave.
    """

    def __init__(self, path: Path) -> None:
        """Open `path` for appending, creating it and its folder where missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _cut_torn_line(path)
        self._file = path.open("ab", buffering=0)

    def write(self, value: Versioned) -> None:
        """Append one record as one line."""
        # A lone surrogate, which some servers send, has no encoding; it becomes "?".
        line = to_json(value).encode("utf-8", "replace") + b"\n"
        start = self._file.seek(0, os.SEEK_END)
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(28, "no space left on device", self._file.name)
        except OSError:
            with contextlib.suppress(OSError):
                self._file.truncate(start)  # a full disk must not leave half a record
            raise

    def sync(self) -> None:
        """Return once everything written is on the disk itself."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def read_jsonl(kind: type[T], path: Path) -> Iterator[T]:
    """Yield the records of `path`; a missing file has none, a torn last line is skipped.

    Raises:
        RecordFileError: any complete line that is no `kind`; names file and line.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                yield from_json(kind, line)
            except SchemaError as err:
                raise RecordFileError(f"{path}, line {number}: {err}") from err


def _cut_torn_line(path: Path) -> None:
    if not path.exists() or path.stat().st_size == 0:
        return
    with path.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        keep = end
        while keep > 0:
            start = max(0, keep - 65536)
            file.seek(start)
            cut = file.read(keep - start).rfind(b"\n")
            if cut >= 0:
                keep = start + cut + 1
                break
            keep = start
        if keep != end:
            file.truncate(keep)
