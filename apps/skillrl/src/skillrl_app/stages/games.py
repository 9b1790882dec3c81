"""Which games each stage plays: fixed by the seed; evaluation shares none with training."""

import random
from pathlib import Path

from skillrl_app.config import EnvConfig, RunConfig
from skillrl_app.errors import UsageError
from skillrl_app.seeds import derive_seed
from skillrl_envs.alfworld import generated_tasks, official_tasks
from skillrl_envs.task import Task


def check_games(config: RunConfig) -> None:
    """Raise, before anything is written, if a stage would find no games to play."""
    collect_games(config)
    training_games(config, 0)
    evaluation_games(config)


def collect_games(config: RunConfig) -> list[Task]:
    """Return the games of the collection stage."""
    count = config.collect.episodes
    if config.env.games == "generated":
        return generated_tasks(
            f"{config.env.train_split}/collect", count, categories=config.env.categories
        )
    games = _official(config.env, config.env.train_split)
    return _sample(games, count, derive_seed(config.seed, "collect"))


def training_games(config: RunConfig, iteration: int) -> list[Task]:
    """Return the games of one RL iteration; generated ones are never played twice."""
    count = config.rollouts.groups
    if config.env.games == "generated":
        split, kinds = f"{config.env.train_split}/rl", config.env.categories
        start = iteration * count
        return generated_tasks(split, start + count, categories=kinds)[start:]
    games = _official(config.env, config.env.train_split)
    return _sample(games, count, derive_seed(config.seed, "rl", iteration))


def evaluation_games(config: RunConfig) -> list[Task]:
    """Return the evaluation games, each exactly once, in a fixed order."""
    if config.env.games == "generated":
        if config.env.eval_games is None:
            raise UsageError(
                "env.eval_games is null, but generated games have no end; name a number"
            )
        count = config.env.eval_games
        return generated_tasks(config.env.eval_split, count, categories=config.env.categories)
    games = _official(config.env, config.env.eval_split)
    return games if config.env.eval_games is None else games[: config.env.eval_games]


def _official(env: EnvConfig, split: str) -> list[Task]:
    data = env.data
    if data is None:
        raise UsageError(
            "env.games is official, but env.data is not set and neither is ALFWORLD_DATA; "
            "point one of them at the directory that contains json_2.1.1"
        )
    return official_tasks(Path(data), split)


def _sample(games: list[Task], count: int, seed: int) -> list[Task]:
    rng = random.Random(seed)
    return rng.sample(games, count) if count <= len(games) else rng.choices(games, k=count)
