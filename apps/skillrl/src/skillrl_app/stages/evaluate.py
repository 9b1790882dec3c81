"""Evaluation: every game of a fixed list exactly once, greedily, skills given or withheld."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from skillrl_app.context import RunContext
from skillrl_app.play import play
from skillrl_app.seeds import derive_seed
from skillrl_app.stages import model as models
from skillrl_app.stages.games import evaluation_games
from skillrl_envs.responder import policy_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Trajectory

Arm = Literal["given", "withheld", "none"]
"""given and withheld: with a bank, shown or not; none: the method has no skills."""


def evaluate(context: RunContext, checkpoint: str, arm: Arm) -> Mapping[str, Any]:
    """Play the evaluation games with a checkpoint and one arm.

    Returns:
        Counts, the share of unknown words in the prompts, and the bank revision.
    """
    games = evaluation_games(context.config)
    policy = models.policy(context, checkpoint)
    revision = models.revision(context, checkpoint)
    player = Player(
        run_id=context.run_id,
        make_env=context.make_env,
        prompt=context.prompt(),
        respond=policy_responder(policy),
        policy_version=policy.version,
        skills=(
            context.skills_at(revision, 0.0 if arm == "given" else 1.0)
            if revision is not None
            else None
        ),
        settings=RolloutSettings(
            max_steps=context.config.env.max_steps,
            max_invalid=context.config.env.max_invalid,
            max_tokens=context.config.prompt.max_tokens,
            temperature=0.0,
        ),
    )
    unit = unit_name(checkpoint, arm)
    specs = _specs(context.config.seed, unit, games)
    with context.console.bar(f"evaluate {checkpoint}, {arm}", len(specs)) as bar:
        episodes = play(
            context.run.trajectories(unit.replace("/", "-")),
            player,
            specs,
            lambda episode: bar.advance(),
        )
    context.ledger.add_tokens("eval", f"{context.run_id}/{unit}", episodes)
    return {
        "games": len(episodes),
        "wins": sum(episode.outcome.success for episode in episodes),
        "broken": sum(episode.ended.kind == "failed" for episode in episodes),
        "unknown_share": _unknown_share(episodes, policy.tokenizer.unk_token_id),
        "bank_revision": revision,
    }


def _unknown_share(episodes: Sequence[Trajectory], unknown: int | None) -> float:
    """Return the share of prompt tokens that stand for words outside the vocabulary."""
    prompts = [
        step.completion.prompt_ids
        for episode in episodes
        for step in episode.steps
        if step.completion is not None and step.completion.prompt_ids is not None
    ]
    total = sum(map(len, prompts))
    if unknown is None or total == 0:
        return 0.0
    return sum(prompt.count(unknown) for prompt in prompts) / total


def unit_name(checkpoint: str, arm: Arm) -> str:
    """Return the journal's name for one evaluation."""
    return f"eval/{checkpoint}/{arm}"


def _specs(seed: int, unit: str, games: Sequence[Task]) -> list[EpisodeSpec]:
    return [
        EpisodeSpec(
            task=task,
            group_id=f"{unit}/{number}",
            replica=0,
            seed=derive_seed(seed, "eval", number),
        )
        for number, task in enumerate(games)
    ]
