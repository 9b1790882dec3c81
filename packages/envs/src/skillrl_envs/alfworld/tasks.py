"""Names the games there are: generated ones, and the official ones on disk."""

from collections.abc import Sequence
from pathlib import Path

from skillrl_envs.alfworld.generator import CATEGORIES
from skillrl_envs.errors import GameFileError, UnknownTaskError
from skillrl_envs.task import Task

GAME_FILE = "game.tw-pddl"


def generated_tasks(
    split: str, count: int, *, categories: Sequence[str] = CATEGORIES
) -> list[Task]:
    """Return `count` generated games, spread evenly over `categories`.

    Splits never share a game: the split's name is part of what seeds each one.
    """
    unknown = sorted(set(categories) - set(CATEGORIES))
    if unknown or not categories:
        raise UnknownTaskError(
            f"no task types {unknown}; there are {', '.join(CATEGORIES)}" if unknown
            else "no task types given"
        )  # fmt: skip
    tasks = []
    for index in range(count):
        category = categories[index % len(categories)]
        seed = index // len(categories)
        tasks.append(
            Task(
                id=f"generated/{split}/{category}/{seed}",
                env="alfworld",
                category=category,
                split=split,
                payload={"generated": {"split": split, "category": category, "seed": seed}},
            )
        )
    return tasks


def official_tasks(data: Path, split: str) -> list[Task]:
    """Return every game of an official split, sorted by path.

    Args:
        data: The directory that contains `json_2.1.1` (ALFWORLD_DATA).
        split: "train", "valid_seen", "valid_unseen" or "valid_train".

    Raises:
        GameFileError: the split is not there, or holds no game.
    """
    root = data / "json_2.1.1"
    if not root.is_dir():
        raise GameFileError(
            f"{data} does not contain json_2.1.1; point ALFWORLD_DATA at its parent"
        )
    if not (root / split).is_dir():
        there = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())) or "none"
        raise GameFileError(f"no split {split!r} in {root}; there are: {there}")
    games = sorted((root / split).glob(f"*/*/{GAME_FILE}"))
    if not games:
        raise GameFileError(f"no {GAME_FILE} under {root / split}")
    return [_official_task(game.relative_to(root), split) for game in games]


def _official_task(game: Path, split: str) -> Task:
    category = game.parts[1].split("-", 1)[0]
    if category not in CATEGORIES:
        raise GameFileError(f"{game}: folder names no task type; there are {', '.join(CATEGORIES)}")
    return Task(
        id=str(game.parent),
        env="alfworld",
        category=category,
        split=split,
        payload={"official": str(game)},
    )
