"""The bank's SQL, kept in .sql files: named queries and numbered migrations.

A query block starts with a line `-- name: <name>`, followed by one line that says what
it does. Parameters are named, and values are never written into a text. The files name
the schema `skillbank`; another one takes the place of that word, once it has been
checked to be a plain identifier.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from skillbank.errors import InvalidQuery

SCHEMA = "skillbank"
"""The schema that holds the tables unless another one is chosen."""

_BLOCK = re.compile(rb"^-- name: (\w+)\n-- [^\n]+\n", re.MULTILINE)
# Names such as skillbank_app are other words and stay.
_WORD = re.compile(rb"\bskillbank\b")
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    name: str
    """The file's name without suffix; the names' order is the order of the steps."""
    text: bytes
    checksum: str
    """SHA-256 of the file, in hex, whatever the schema."""


def check_schema(schema: str) -> None:
    """Raise InvalidQuery unless `schema` may stand in a statement as it is."""
    if not _IDENTIFIER.fullmatch(schema) or schema.startswith("pg_"):
        raise InvalidQuery(
            "schema must be 1 to 63 of a-z, 0-9 and _, start with a letter or _ and not with "
            f"'pg_', got {schema!r:.80}"
        )


def in_schema(text: bytes, schema: str) -> bytes:
    """Return a statement with its tables in `schema`.

    Raises:
        InvalidQuery: `schema` is no plain identifier.
    """
    check_schema(schema)
    return text if schema == SCHEMA else _WORD.sub(b'"%s"' % schema.encode(), text)


@cache
def queries(schema: str = SCHEMA) -> Mapping[str, bytes]:
    """Return every block of queries.sql by name."""
    pieces = _BLOCK.split((files(__name__) / "queries.sql").read_bytes())
    names = [name.decode() for name in pieces[1::2]]
    texts = [in_schema(text, schema) for text in pieces[2::2]]
    return MappingProxyType(dict(zip(names, texts, strict=True)))


@cache
def migrations(schema: str = SCHEMA) -> tuple[Migration, ...]:
    """Return the schema's steps in order."""
    found = sorted((files(__name__) / "migrations").iterdir(), key=lambda file: file.name)
    steps = [(file.name, file.read_bytes()) for file in found if file.name.endswith(".sql")]
    return tuple(
        Migration(
            name.removesuffix(".sql"), in_schema(text, schema), hashlib.sha256(text).hexdigest()
        )
        for name, text in steps
    )
