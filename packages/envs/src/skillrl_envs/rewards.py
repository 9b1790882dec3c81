"""Reward schemes by name: what a step is worth to whoever learns from it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from skillrl_envs.env import StepResult

RewardScheme = Callable[[StepResult], float]
"""What a step is worth."""

RewardName = Literal["env", "paper", "success"]


def environment_reward(result: StepResult) -> float:
    """Return the reward in the environment's own scale."""
    return result.reward


def paper_reward(result: StepResult) -> float:
    """Return 10 for the step that solves the task and 0 for any other (arXiv:2602.08234)."""
    return 10.0 if result.success and result.over else 0.0


def success_reward(result: StepResult) -> float:
    """Return 1 for the step that solves the task and 0 for any other."""
    return 1.0 if result.success and result.over else 0.0


REWARDS: Mapping[RewardName, RewardScheme] = MappingProxyType(
    {"env": environment_reward, "paper": paper_reward, "success": success_reward}
)


def reward_scheme(name: str) -> RewardScheme:
    """Return the scheme of that name.

    Raises:
        ValueError: there is none; names those that there are.
    """
    for known, scheme in REWARDS.items():
        if known == name:
            return scheme
    raise ValueError(f"no reward scheme {name!r}; there are {', '.join(REWARDS)}")
