"""What an environment is: text in, text out, one episode at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from skillrl_envs.task import Task


@dataclass(frozen=True, slots=True)
class Observation:
    """What the agent is told, and which actions the environment would accept."""

    text: str
    admissible: tuple[str, ...]
    """Sorted; empty where the actions are free text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What an action led to."""

    observation: Observation
    reward: float
    terminated: bool
    """The environment reached an end of its own. Limits are the caller's business."""
    success: bool
    metrics: Mapping[str, float] = field(default_factory=dict)


class Env(Protocol):
    """One episode of one task; `reset` starts the next."""

    @property
    def instruction(self) -> str:
        """The task sentence of the episode in progress."""
        ...

    def reset(self, task: Task, /) -> Observation:
        """Start `task` from its beginning. Raises UnknownTaskError or GameFileError."""
        ...

    def step(self, action: str, /) -> StepResult:
        """Do `action`; one that is not admissible changes nothing and is answered in text."""
        ...
