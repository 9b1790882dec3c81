"""Exposure: which skills could have been in a prompt, and which were.

Ids and numbers only, so that evidence can be computed without any text. What was
withheld is recorded with the same care as what was shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from skillrl_envs.task import Task


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillExposure:
    """One eligible skill in one episode."""

    schema_version: ClassVar[int] = 1

    skill_id: str
    version: int
    shown: bool
    propensity: float
    """Probability, in (0, 1], with which the logged design did what it did here."""
    corrupted: bool = False
    """Shown with its text falsified on purpose; never evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Every skill that was eligible for one episode, whether shown or not."""

    schema_version: ClassVar[int] = 1

    skills: tuple[SkillExposure, ...]
    bank_id: str
    bank_revision: int
    retrieval: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)
    """The settings that made these skills eligible, such as mode and k."""


SkillSource = Callable[[Task, int], tuple[str, Exposure]]
"""(task, seed) -> the skills block for the prompt and what it exposes.

Passed into the rollout engine because environments know nothing of banks. Must be
a pure function of its arguments for one bank revision.
"""
