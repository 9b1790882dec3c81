"""Which episodes a teacher gets to see: seeded, and fair to every category."""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from skillrl_envs.trajectory import Trajectory

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stratum:
    """The sampled episodes of one category."""

    category: str
    successes: tuple[Trajectory, ...]
    failures: tuple[Trajectory, ...]


def stratify(episodes: Sequence[Trajectory], *, seed: int, limit: int) -> list[Stratum]:
    """Return at most `limit` successes and `limit` failures of each category.

    Categories come in alphabetical order. The same episodes and seed give the same
    sample in whatever order the episodes are passed.

    Raises:
        ValueError: two episodes share an id, so that a citation would be ambiguous.
    """
    by_id = {episode.id: episode for episode in episodes}
    if len(by_id) != len(episodes):
        raise ValueError(f"{len(episodes) - len(by_id)} trajectories have the id of another one")
    strata: dict[str, dict[bool, list[Trajectory]]] = defaultdict(lambda: defaultdict(list))
    for episode_id in sorted(by_id):
        episode = by_id[episode_id]
        strata[episode.task.category][episode.outcome.success].append(episode)
    return [
        Stratum(
            category,
            _sample(strata[category][True], f"{seed}/{category}/successes", limit),
            _sample(strata[category][False], f"{seed}/{category}/failures", limit),
        )
        for category in sorted(strata)
    ]


def round_robin(groups: Sequence[Sequence[T]]) -> list[T]:
    """Return the first of every group, then the second of every group, and so on."""
    longest = max(map(len, groups), default=0)
    return [group[rank] for rank in range(longest) for group in groups if rank < len(group)]


def _sample(episodes: Sequence[Trajectory], seed: str, limit: int) -> tuple[Trajectory, ...]:
    if len(episodes) <= limit:
        return tuple(episodes)
    return tuple(random.Random(seed).sample(episodes, limit))
