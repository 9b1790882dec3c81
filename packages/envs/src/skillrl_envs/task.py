"""Task: one thing to do in one environment, named so that anyone can replay it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task with everything its environment needs to start it."""

    schema_version: ClassVar[int] = 1

    id: str
    """Unique within `env`, and stable over releases."""
    env: str
    """The environment that plays it, such as "alfworld"."""
    category: str
    """From the environment's own data, never guessed from the text."""
    split: str
    """Such as "train" or "valid_seen"."""
    payload: Mapping[str, Any] = field(default_factory=dict)
    """JSON values only; their meaning belongs to `env`."""
