"""Turns played episodes into rows to train on: one per step, tokens as sampled. Torch-free."""

from collections.abc import Sequence
from dataclasses import dataclass

from skillrl_envs.trajectory import Step, Trajectory
from skillrl_train.errors import RowError


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One prompt, what was sampled for it, and how good the episode was."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    """Of the completion, under the policy that sampled it."""
    advantage: float


def training_rows(
    trajectories: Sequence[Trajectory], advantages: Sequence[float]
) -> list[TrainingRow]:
    """Return a row per step of every episode whose advantage is not 0.

    An advantage of 0 gives no gradient, so its rows would only cost time; episodes that
    failed for technical reasons say nothing about the policy and are left out too.

    Raises:
        RowError: a step without tokens or log-probabilities.
    """
    rows = []
    for trajectory, advantage in zip(trajectories, advantages, strict=True):
        if advantage == 0.0 or trajectory.ended.kind == "failed":
            continue
        rows += [
            _row(trajectory.id, index, step, advantage)
            for index, step in enumerate(trajectory.steps)
        ]
    return rows


def _row(episode: str, index: int, step: Step, advantage: float) -> TrainingRow:
    done = step.completion
    if (
        done is None
        or done.prompt_ids is None
        or done.completion_ids is None
        or done.logprobs is None
    ):
        raise RowError(
            f"step {index} of {episode} has no tokens or log-probabilities; only policies "
            "that return them (transformers, not chat APIs) can be trained"
        )
    return TrainingRow(done.prompt_ids, done.completion_ids, done.logprobs, advantage)
