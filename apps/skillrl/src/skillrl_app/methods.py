"""Methods: what SkillRL and its baselines do differently, behind one protocol.

The training loop has no branch on a method's name. A baseline is a module or a few lines
here; a variant of one is configuration.
"""

from collections.abc import Sequence
from typing import ClassVar, Protocol

from skillbank import SkillBank
from skillrl_envs.exposure import SkillSource
from skillrl_envs.trajectory import Trajectory
from skillrl_train.advantages import grpo_advantages
from skillrl_train.evolution import EvolutionRound, EvolutionSettings, Propose, evolve_bank


class Method(Protocol):
    """What happens around the episodes of RL."""

    uses_skills: ClassVar[bool]
    """Whether a run by this method has a bank at all."""

    def is_due(self, iteration: int) -> bool:
        """Whether `on_iteration_end` has something to do before `iteration` is played."""
        ...

    def on_reset(self, iteration: int) -> SkillSource | None:
        """Return what supplies the skills of that iteration's episodes; None for none."""
        ...

    def on_episode_end(self, episode: Trajectory) -> None:
        """Learn from one finished training episode."""
        ...

    def on_iteration_end(self, iteration: int, episodes: Sequence[Trajectory]) -> EvolutionRound:
        """Act where it is due: `iteration` is next, `episodes` are those since the last time."""
        ...

    def estimator(self, episodes: Sequence[Trajectory]) -> list[float]:
        """Return one advantage per episode."""
        ...


class Grpo:
    """Plain GRPO: no skills, nothing remembered but the weights."""

    uses_skills: ClassVar[bool] = False

    def is_due(self, iteration: int) -> bool:
        """Never act."""
        return False

    def on_reset(self, iteration: int) -> SkillSource | None:
        """Supply no skills."""
        return None

    def on_episode_end(self, episode: Trajectory) -> None:
        """Remember nothing."""

    def on_iteration_end(self, iteration: int, episodes: Sequence[Trajectory]) -> EvolutionRound:
        """Be called by nobody, since nothing is ever due."""
        raise RuntimeError("plain GRPO acts at no iteration")

    def estimator(self, episodes: Sequence[Trajectory]) -> list[float]:
        """Compare each episode with the others of its task; broken ones count nowhere."""
        sound = [i for i, episode in enumerate(episodes) if episode.ended.kind != "failed"]
        scores = grpo_advantages(
            [episodes[i].outcome.reward for i in sound], [episodes[i].group_id for i in sound]
        )
        advantages = [0.0] * len(episodes)
        for i, score in zip(sound, scores, strict=True):
            advantages[i] = score
        return advantages


class SkillRl(Grpo):
    """GRPO with skills in the prompt, and a bank that evolves from training failures."""

    uses_skills: ClassVar[bool] = True

    def __init__(
        self,
        bank: SkillBank,
        *,
        run_id: str,
        settings: EvolutionSettings,
        iterations: int,
        propose: Propose,
        skills_at: "SkillsAt",
        first_revision: int,
        rounds: dict[int, int] | None = None,
    ) -> None:
        """Play with `bank`, from `first_revision` on.

        Args:
            bank: Evidence and evolution go here.
            run_id: Makes episode ids and round keys unique in a shared bank.
            settings: When to evolve.
            iterations: How many there are; a round that none could use is not held.
            propose: Asks the teacher.
            skills_at: Gives the skill source of a bank revision.
            first_revision: What distillation left.
            rounds: Iteration of each evolution round that is already done -> its revision.
        """
        self._bank, self._run_id, self._settings = bank, run_id, settings
        self._propose, self._skills_at = propose, skills_at
        self._iterations = iterations
        self._rounds = {-1: first_revision, **(rounds or {})}

    def on_reset(self, iteration: int) -> SkillSource | None:
        """Supply skills of the revision in force: each round's, exactly `lag` later."""
        return self._skills_at(self.revision_at(iteration))

    def revision_at(self, iteration: int) -> int:
        """Return the bank revision that an iteration plays with."""
        lag = self._settings.lag
        in_force = [done for done in self._rounds if done < 0 or done + lag <= iteration]
        return self._rounds[max(in_force)]

    def on_episode_end(self, episode: Trajectory) -> None:
        """Log what was shown and how the episode ended; technical failures are no evidence."""
        if episode.exposure is None or episode.ended.kind == "failed":
            return
        self._bank.record(
            episode.exposure,
            success=episode.outcome.success,
            reward=episode.outcome.reward,
            episode_id=f"{self._run_id}/{episode.id}",
            group_id=f"{self._run_id}/{episode.group_id}",
        )

    def is_due(self, iteration: int) -> bool:
        """Act every so many iterations, while a later one can still use the result."""
        return self._settings.is_due(iteration) and (
            iteration + self._settings.lag < self._iterations
        )

    def on_iteration_end(self, iteration: int, episodes: Sequence[Trajectory]) -> EvolutionRound:
        """Evolve the bank from these episodes' failures."""
        result = evolve_bank(
            self._bank,
            episodes,
            self._settings,
            self._propose,
            key=f"{self._run_id}/evolve/{iteration}",
        )
        self._rounds[iteration] = result.revision
        return result


METHODS: dict[str, type[Grpo]] = {"grpo": Grpo, "skillrl": SkillRl}
"""By their names in the configuration."""


class SkillsAt(Protocol):
    """Gives the skill source of a bank revision."""

    def __call__(self, revision: int, /) -> SkillSource:
        """Return the source; equal revisions give equal skills."""
        ...
