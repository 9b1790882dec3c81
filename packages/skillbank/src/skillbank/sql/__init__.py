"""The bank's SQL, kept in .sql files: named queries and numbered migrations.

A query block starts with a line `-- name: <name>`, followed by one line that says what
it does. Parameters are named. Nothing is ever assembled from strings.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

_BLOCK = re.compile(rb"^-- name: (\w+)\n-- [^\n]+\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    name: str
    """The file's name without suffix; the names' order is the order of the steps."""
    text: bytes
    checksum: str
    """SHA-256 of the text, in hex."""


@cache
def queries() -> Mapping[str, bytes]:
    """Return every block of queries.sql by name."""
    pieces = _BLOCK.split((files(__name__) / "queries.sql").read_bytes())
    names = [name.decode() for name in pieces[1::2]]
    return MappingProxyType(dict(zip(names, pieces[2::2], strict=True)))


@cache
def migrations() -> tuple[Migration, ...]:
    """Return the schema's steps in order."""
    found = sorted((files(__name__) / "migrations").iterdir(), key=lambda file: file.name)
    steps = [(file.name, file.read_bytes()) for file in found if file.name.endswith(".sql")]
    return tuple(
        Migration(name.removesuffix(".sql"), text, hashlib.sha256(text).hexdigest())
        for name, text in steps
    )
