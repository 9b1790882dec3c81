"""What a check of `skillbank doctor` comes to."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """The result of one check."""

    level: Level
    name: str
    text: str
    """With what to do about it, unless it is fine."""


Findings = Iterator[Finding]
