"""Trajectory: everything that happened in one episode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from skillrl_envs.actions import Fault
from skillrl_envs.exposure import Exposure
from skillrl_envs.policy import Completion, Message
from skillrl_envs.rewards import RewardName
from skillrl_envs.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decision: what was seen, what was answered, what was done."""

    schema_version: ClassVar[int] = 2
    """2 added `faults`."""

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
    """By the rule of the prompt's parser: the reply had the form it asks for, and its action
    was admissible (`paper_action` leaves the latter out)."""
    reward: float
    """By the trajectory's reward scheme."""
    completion: Completion | None
    """None for scripted agents."""
    faults: tuple[Fault, ...] = ()
    """All that was wrong with the reply. Empty in records of version 1, which did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How the episode scored."""

    schema_version: ClassVar[int] = 1

    success: bool
    reward: float
    """Sum of the step rewards."""
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

    schema_version: ClassVar[int] = 2
    """2 added the reward scheme, tokens generated in vain, and faults of replies. Records of
    version 1 read as what they were: the environment's own reward, nothing counted."""

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
    """Read by the policy for the replies in `steps`."""
    completion_tokens: int
    """Written by the policy as the replies in `steps`."""
    wasted_tokens: int = 0
    """Known to be generated for replies that no step used: of attempts that failed, or of
    a step that the environment broke on."""
    lost_attempts: int = 0
    """Attempts given up without anybody saying what they had generated until then."""
    reward_scheme: RewardName = "env"
    """What the rewards are by; see `rewards`."""

    @property
    def id(self) -> str:
        """Names this trajectory in citations, evidence and replays."""
        return f"{self.group_id}/{self.replica}"
