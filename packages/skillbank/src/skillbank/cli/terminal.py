"""What the command line prints. No text of a bank can steer the terminal it appears on."""

import dataclasses
import json
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from skillbank.characters import on_one_line

_URL = re.compile(r"(postgres(?:ql)?://[^\s:/@]*:)[^\s]*@")
_KEYWORD = re.compile(r"(\bpassword\s*=\s*)('[^']*'|[^\s&]+)", re.IGNORECASE)
_BAR = 24
"""Width of a progress bar in characters."""


class Terminal:
    """Standard output for results, standard error for everything else."""

    def __init__(self, *, as_json: bool) -> None:
        """Print results as JSON, or for people."""
        self.as_json = as_json

    def say(self, text: str = "") -> None:
        """Print a line for people."""
        _print(sys.stdout, printable(text) + "\n")

    def data(self, value: object) -> None:
        """Print a value as JSON; dataclasses become objects, infinities null."""
        # In ASCII, which steers no terminal and passes through every encoding.
        _print(sys.stdout, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")

    def lines(self, text: str) -> None:
        """Print text of ours that is ASCII already, to the letter."""
        _print(sys.stdout, text)

    def note(self, text: str) -> None:
        """Print one line beside the results."""
        _print(sys.stderr, f"skillbank: {on_one_line(hide_passwords(text))}\n")

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Print rows in columns; numbers stand on the right."""
        cells = [[on_one_line(str(cell)) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
        right = [bool(rows) and isinstance(cell, int | float) for cell in (rows or [headings])[0]]
        for row in [list(headings), *cells]:
            parts = zip(row, widths, right, strict=True)
            self.say("  ".join(t.rjust(w) if r else t.ljust(w) for t, w, r in parts).rstrip())

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question where somebody can answer; yes where nobody can."""
        if not sys.stdin.isatty():
            return True
        _print(sys.stderr, f"{printable(question)} [y/N] ")
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    @contextmanager
    def progress(self, label: str) -> Iterator[Callable[[int, int], None] | None]:
        """Give what draws a bar from (done, in all), or None away from a terminal."""
        if not sys.stderr.isatty():
            yield None
            return

        def draw(done: int, total: int) -> None:
            bar = "#" * (_BAR * done // max(total, 1))
            _print(sys.stderr, f"\r{label} [{bar:<{_BAR}}] {done}/{total}")

        try:
            yield draw
        finally:
            _print(sys.stderr, "\n")


def printable(text: str) -> str:
    """Replace what could steer a terminal: control characters, line ends, direction marks."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def hide_passwords(text: str, url: str = "") -> str:
    """Return a message without the passwords of connection strings in it.

    Args:
        text: The message.
        url: A connection URL whose password may be quoted in parts.
    """
    hidden = _KEYWORD.sub(r"\1***", _URL.sub(r"\1***@", text))
    user, colon, rest = url.rpartition("@")[0].partition("://")[2].partition(":")
    # An unescaped '@' or '/' makes libpq take a part of the password for the host's name.
    for piece in sorted({rest, *re.split(r"[@/:?#]", rest)}, key=len, reverse=True):
        if colon and user and len(piece) > 2:
            hidden = hidden.replace(piece, "***")
    return hidden


def plain(value: object) -> Any:  # noqa: ANN401  # any JSON value
    """Return a value as `json` takes it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(stream: TextIO, text: str) -> None:
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "replace").decode(encoding))
    stream.flush()
