"""Trajectory: everything that happened in one episode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from skillrl_envs.exposure import Exposure
from skillrl_envs.policy import Completion, Message
from skillrl_envs.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision: what was seen, what was answered, what was done."""

    schema_version: ClassVar[int] = 1

    observation: str
    """What the agent saw before it acted."""
    admissible: tuple[str, ...]
    messages: tuple[Message, ...]
    """The prompt as sent."""
    reply: str
    """The whole answer, reasoning included."""
    action: str
    """What the environment executed; differs from the reply's action only where a
    scripted agent's action was replaced by noise on purpose."""
    valid: bool
    """The reply had the form its prompt asks for, and its action was admissible."""
    reward: float
    completion: Completion | None
    """None for scripted agents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the episode scored."""

    schema_version: ClassVar[int] = 1

    success: bool
    reward: float
    """Sum of the step rewards, in the environment's own scale."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Further scores of the environment, such as a dense task score."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Why the episode stopped."""

    schema_version: ClassVar[int] = 1

    kind: Literal["terminated", "truncated", "failed"]
    """terminated: the environment finished; truncated: a limit was hit;
    failed: the environment or the policy broke."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """One episode, complete enough to replay, train on, distil and audit."""

    schema_version: ClassVar[int] = 1

    run_id: str
    task: Task
    instruction: str
    """The task sentence as the environment states it."""
    seed: int
    group_id: str
    """Rollouts of one task that are compared with each other share it."""
    replica: int
    policy_version: str
    bank_revision: int | None
    context: Literal["window", "conversation"]
    skills: str
    """The block of skills that stood in every prompt; empty for none."""
    exposure: Exposure | None
    steps: tuple[Step, ...]
    final_observation: str
    """The environment's answer to the last action."""
    outcome: Outcome
    ended: Ended
    prompt_tokens: int
    completion_tokens: int

    @property
    def id(self) -> str:
        """Names this trajectory in citations, evidence and replays."""
        return f"{self.group_id}/{self.replica}"
