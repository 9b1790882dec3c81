"""The journal of a run: which units of work are finished, and what they came to.

A unit is written once, after everything it produced; a resumed run skips it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from skillrl_envs.jsonl import JsonlWriter, read_jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A finished unit of work."""

    schema_version: ClassVar[int] = 1

    name: str
    seconds: float
    """Wall time of the sitting that finished it."""
    result: Mapping[str, Any]
    """Small JSON values; large results are files of their own."""


class Journal:
    """The finished units of one run, on disk and in memory."""

    def __init__(self, path: Path) -> None:
        self._units = {unit.name: unit for unit in read_jsonl(Unit, path)}
        self._writer = JsonlWriter(path)

    def __contains__(self, name: str) -> bool:
        return name in self._units

    def __getitem__(self, name: str) -> Unit:
        return self._units[name]

    def units(self) -> list[Unit]:
        """Return every finished unit, in the order of finishing."""
        return list(self._units.values())

    def finish(self, unit: Unit) -> None:
        """Record a unit as finished; a second record of one name is a bug."""
        if unit.name in self._units:
            raise ValueError(f"unit {unit.name!r} is already in the journal")
        json.dumps(dict(unit.result))  # fails here, not while resuming
        self._writer.write(unit)
        self._writer.sync()
        self._units[unit.name] = unit

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
