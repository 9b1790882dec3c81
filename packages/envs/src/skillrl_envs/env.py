"""What an environment is: text in, text out, one episode at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from skillrl_envs.errors import EpisodeOver
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
    """In the environment's own scale; `rewards` has others."""
    terminated: bool
    """The environment reached an end of its own: solved, or beyond solving."""
    truncated: bool = False
    """A limit cut the episode, the environment's own or that of a `StepLimit`."""
    success: bool
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Nothing comes after this step."""
        return self.terminated or self.truncated


class Env(Protocol):
    """One episode of one task; `reset` starts the next.

    Equal tasks and actions give equal answers: whatever is random in a task is fixed by
    its payload. `env_check.check_env` tests this contract.
    """

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


class StepLimit:
    """Another environment whose episodes are truncated after so many steps."""

    def __init__(self, env: Env, max_steps: int) -> None:
        """Let an episode of `env` have at most `max_steps` steps."""
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {max_steps}")
        self._env, self._max_steps = env, max_steps
        self._taken = 0
        self._over = False

    @property
    def instruction(self) -> str:
        """The inner environment's."""
        return self._env.instruction

    def reset(self, task: Task, /) -> Observation:
        """Start `task`, with all steps to go."""
        observation = self._env.reset(task)
        self._taken, self._over = 0, False
        return observation

    def step(self, action: str, /) -> StepResult:
        """Do `action`; raises EpisodeOver after the last step."""
        if self._over:
            raise EpisodeOver(f"the episode ended after {self._taken} steps; call reset(task)")
        result = self._env.step(action)
        self._taken += 1
        if self._taken >= self._max_steps and not result.terminated:
            result = replace(result, truncated=True)
        self._over = result.over
        return result
