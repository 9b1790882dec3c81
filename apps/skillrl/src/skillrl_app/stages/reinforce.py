"""RL: play groups, compare within each, update; the bank evolves in between.

An iteration's random choices follow from the run's seed and its number, and its episodes
are kept as they end. A run killed inside an iteration goes on from the checkpoint before
it and plays only the episodes that are missing.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from skillbank import Proposal
from skillrl_app.console import Bar
from skillrl_app.context import RunContext
from skillrl_app.methods import Grpo, Method, SkillRl
from skillrl_app.play import play, read_episodes
from skillrl_app.seeds import derive_seed
from skillrl_app.stages import model as models
from skillrl_app.stages.distill import evolve_settings, explain
from skillrl_app.stages.games import training_games
from skillrl_app.stages.metrics import IterationMetrics, metrics_file
from skillrl_distiller import evolve
from skillrl_envs.jsonl import JsonlWriter
from skillrl_envs.responder import policy_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings
from skillrl_envs.trajectory import Trajectory
from skillrl_train.evolution import success_rates
from skillrl_train.grpo import AgentGRPOTrainer, train_grpo
from skillrl_train.rows import TrainingRow, training_rows
from skillrl_train.transformers_policy import TransformersPolicy

NAME = "rl"


def reinforce(context: RunContext) -> Mapping[str, Any]:
    """Run every iteration and keep the result."""
    config = context.config
    model, tokenizer = models.load(context, "sft")
    folder = context.run.checkpoint("rl-trainer")
    total = config.rl.iterations * config.rl.steps_per_iteration
    policy = TransformersPolicy(model, tokenizer, version="")
    with context.console.bar("RL iterations", config.rl.iterations) as bar:
        loop = _Loop(context, policy, bar)

        def report(done: int, all_steps: int, metrics: Mapping[str, float]) -> None:
            bar.at(done // config.rl.steps_per_iteration, config.rl.iterations, note=loop.note)

        trainer = AgentGRPOTrainer(
            model,
            tokenizer,
            config.rl,
            loop.collect,
            folder=folder,
            seed=derive_seed(config.seed, "rl trainer") % 2**31,
            listener=report,
        )
        train_grpo(trainer, folder)
    models.keep(context, NAME, model, tokenizer)
    return {"optimizer_steps": total}


class _Loop:
    """Plays iterations for the trainer."""

    def __init__(self, context: RunContext, policy: TransformersPolicy, bar: Bar) -> None:
        self._context, self._policy, self._bar = context, policy, bar
        self.method = _method(context)
        self.note = ""

    def collect(self, iteration: int) -> list[TrainingRow]:
        """Evolve the bank if a round is due, play one iteration, return its rows."""
        context = self._context
        if self.method.is_due(iteration):
            context.unit(f"evolve/{iteration:04d}", lambda: self._evolve(iteration))
        with context.ledger.cpu_time("rl rollouts", f"{context.run_id}/{_unit(iteration)}"):
            episodes = self._play(iteration)
        context.ledger.add_tokens("rl rollouts", f"{context.run_id}/{_unit(iteration)}", episodes)
        rows = training_rows(episodes, self.method.estimator(episodes))
        self._log(iteration, episodes, rows)
        return rows

    def _evolve(self, iteration: int) -> Mapping[str, Any]:
        since = range(max(0, iteration - self._context.config.evolution.every), iteration)
        episodes = [
            episode
            for past in since
            for episode in read_episodes(self._context.run.trajectories(_unit(past)))
        ]
        result = self.method.on_iteration_end(iteration, episodes)
        return asdict(result)

    def _play(self, iteration: int) -> list[Trajectory]:
        context, config = self._context, self._context.config
        self._policy.version = f"{context.run_id}/rl/{iteration}"
        player = Player(
            run_id=context.run_id,
            make_env=context.make_env,
            prompt=context.prompt(),
            respond=policy_responder(self._policy),
            policy_version=self._policy.version,
            skills=self.method.on_reset(iteration),
            settings=RolloutSettings(
                max_steps=config.env.max_steps,
                max_invalid=config.env.max_invalid,
                max_tokens=config.prompt.max_tokens,
                temperature=config.rl.temperature,
            ),
        )
        specs = [
            EpisodeSpec(
                task=task,
                group_id=f"rl/{iteration:04d}/{number}",
                replica=replica,
                seed=derive_seed(config.seed, "rl", iteration, number, replica),
            )
            for number, task in enumerate(training_games(config, iteration))
            for replica in range(config.rollouts.group_size)
        ]
        path = context.run.trajectories(_unit(iteration))
        return play(path, player, specs, self.method.on_episode_end)

    def _log(
        self, iteration: int, episodes: Sequence[Trajectory], rows: Sequence[TrainingRow]
    ) -> None:
        steps = [step for episode in episodes for step in episode.steps]
        record = IterationMetrics(
            iteration=iteration,
            episodes=len(episodes),
            wins=sum(episode.outcome.success for episode in episodes),
            invalid_rate=sum(not step.valid for step in steps) / max(1, len(steps)),
            rows=len(rows),
            bank_revision=max(
                (e.bank_revision for e in episodes if e.bank_revision is not None), default=None
            ),
            success_by_category=success_rates(episodes),
        )
        with JsonlWriter(metrics_file(self._context.run)) as writer:
            writer.write(record)
        self.note = f"success {record.wins}/{record.episodes}"
        self._bar.advance(0, note=self.note)


def _unit(iteration: int) -> str:
    return f"rl-{iteration:04d}"


def _method(context: RunContext) -> Method:
    return {"grpo": _grpo, "skillrl": _skillrl}[context.config.method](context)


def _grpo(context: RunContext) -> Method:
    del context  # plain GRPO needs nothing of the run
    return Grpo()


def _skillrl(context: RunContext) -> Method:
    done = {
        int(unit.name.split("/")[1]): int(unit.result["revision"])
        for unit in context.journal.units()
        if unit.name.startswith("evolve/")
    }
    return SkillRl(
        context.bank,
        run_id=context.run_id,
        settings=context.config.evolution,
        iterations=context.config.rl.iterations,
        propose=lambda failures, contrast, most: _propose(context, failures, contrast, most),
        skills_at=lambda revision: context.skills_at(revision, context.config.skills.withhold),
        first_revision=context.journal["distill"].result["revision"],
        rounds=done,
    )


def _propose(
    context: RunContext,
    failures: Sequence[Trajectory],
    contrast: Sequence[Trajectory],
    most: int,
) -> Sequence[Proposal]:
    shown = {
        episode.id: tuple(
            context.bank.get(item.skill_id, item.version)
            for item in (episode.exposure.skills if episode.exposure else ())
            if item.shown
        )
        for episode in failures
    }
    result = asyncio.run(
        evolve(
            failures,
            context.teacher(),
            shown=shown,
            existing=context.bank.skills(revision=context.newest_revision()),
            successes=contrast,
            settings=evolve_settings(context.config, most),
            report_usage=context.ledger.add,
        )
    )
    for problem in result.problems:
        context.console.say(f"  teacher: {explain(problem)}", style="yellow")
    return result.proposals
