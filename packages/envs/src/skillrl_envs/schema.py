"""How the types that travel between packages become JSON and come back.

Every travelling type is a frozen dataclass with a class variable `schema_version`.
The version of the outermost type covers everything nested in it.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from skillrl_envs.errors import SchemaError


class Versioned(Protocol):
    """A dataclass that can be written to and read from JSON."""

    schema_version: ClassVar[int]


T = TypeVar("T", bound=Versioned)


def to_record(value: Versioned) -> dict[str, Any]:
    """Return `value` as a JSON-ready mapping headed by its type and version."""
    kind = type(value)
    body = _adapter(kind).dump_python(value, mode="json")
    return {"schema": kind.__name__, "schema_version": kind.schema_version, **body}


def to_json(value: Versioned) -> str:
    """Return `value` as one line of JSON (no newline inside)."""
    return json.dumps(to_record(value), ensure_ascii=False, separators=(",", ":"))


def from_record(kind: type[T], record: Mapping[str, Any]) -> T:
    """Rebuild a `kind` from `to_record`'s mapping.

    Raises:
        SchemaError: another type, an unsupported version, or a field that is
            missing, unknown or of the wrong type; the message names which.
    """
    from pydantic import ValidationError

    body = dict(record)
    name, version = body.pop("schema", None), body.pop("schema_version", None)
    if name != kind.__name__:
        raise SchemaError(f"expected a {kind.__name__} record, got schema {name!r}")
    if version not in (readable := _readable_versions(kind)):
        raise SchemaError(
            f"{kind.__name__} record has schema_version {version!r}; "
            f"this release reads {', '.join(map(str, readable))}"
        )
    try:
        return _adapter(kind).validate_json(json.dumps(body), strict=True)  # type: ignore[no-any-return]  # checked by pydantic
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the record"
        raise SchemaError(
            f"{kind.__name__} record: {where}: {first['msg'].lower()}, got {first['input']!r:.80}"
        ) from err


def from_json(kind: type[T], text: str | bytes) -> T:
    """Rebuild a `kind` from `to_json`'s text; raises SchemaError like `from_record`."""
    try:
        record = json.loads(text)
    except json.JSONDecodeError as err:
        raise SchemaError(
            f"{kind.__name__} record is not JSON at char {err.pos}: {err.msg}"
        ) from err
    except UnicodeDecodeError as err:
        raise SchemaError(f"{kind.__name__} record is not UTF-8 at byte {err.start}") from err
    if not isinstance(record, dict):
        raise SchemaError(f"expected a {kind.__name__} record, got {type(record).__name__}")
    return from_record(kind, record)


def _readable_versions(kind: type[Versioned]) -> tuple[int, ...]:
    # This version and the one before it, so that a run survives one upgrade.
    return tuple(v for v in (kind.schema_version, kind.schema_version - 1) if v >= 1)


@cache
def _adapter(kind: type) -> Any:  # noqa: ANN401  # TypeAdapter[kind] cannot be spelled
    # Imported late: pydantic costs a third of this package's import time.
    from pydantic import ConfigDict, TypeAdapter, with_config

    # A dataclass that already carries a config would make TypeAdapter refuse ours.
    with_config(ConfigDict(extra="forbid"))(kind)
    return TypeAdapter(kind)
