"""Skills from the bank to the prompt, with a record of what was shown and what was not."""

import random
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from typing import Literal

from skillbank import Hit, RetrievalSettings, SkillBank, render
from skillrl_envs.exposure import Exposure, SkillExposure
from skillrl_envs.task import Task


class BankSkills:
    """A SkillSource: the bank at one revision, withheld from a random share of episodes."""

    def __init__(
        self,
        bank: SkillBank,
        settings: RetrievalSettings,
        *,
        revision: int,
        withhold: float,
        style: Literal["markdown", "plain"],
        instruction: Callable[[Task], str],
    ) -> None:
        """Show skills of `revision` except, with probability `withhold`, none at all.

        Args:
            bank: Where they are.
            settings: How many, and by which mode.
            revision: Pinned, so that one iteration plays with one bank.
            withhold: 0 always shows, 1 never does; between, drawn from the episode's seed.
            style: How they are written ("markdown" or "plain").
            instruction: Gives a task's sentence, which is the query.
        """
        if not 0.0 <= withhold <= 1.0:
            raise ValueError(f"withhold must be in [0, 1], got {withhold}")
        self._bank, self._settings, self._revision = bank, settings, revision
        self._withhold, self._style = withhold, style
        self._instruction = instruction
        self._retrieve = cache(self._retrieve_once)

    def __call__(self, task: Task, seed: int, /) -> tuple[str, Exposure]:
        """Return the block for the prompt ("" when withheld) and the exposure."""
        # Only a ranked mode depends on the words of the task.
        query = "" if self._settings.mode == "template" else self._instruction(task)
        hits = self._retrieve(query, task.category)
        shown = random.Random(f"withhold/{seed}").random() >= self._withhold
        probability = 1.0 - self._withhold if shown else self._withhold
        exposure = Exposure(
            skills=tuple(
                SkillExposure(
                    skill_id=hit.skill.id,
                    version=hit.skill.version,
                    shown=shown,
                    propensity=probability,
                )
                for hit in hits
            ),
            bank_id=self._bank.id,
            bank_revision=self._revision,
            retrieval=asdict(self._settings),
        )
        return (render(hits, style=self._style) if shown else ""), exposure

    def _retrieve_once(self, query: str, category: str) -> tuple[Hit, ...]:
        return self._bank.retrieve(
            query, category=category, settings=self._settings, revision=self._revision
        ).hits
