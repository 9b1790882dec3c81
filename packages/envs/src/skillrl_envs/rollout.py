"""The rollout engine: many episodes at once, none waiting for the slowest.

One coroutine plays one episode. Episodes name their task explicitly, so that a group is
one task repeated; every request has its own seed; an episode that has finished costs
nothing; one that breaks is recorded as failed and does not stop the others.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence

from skillrl_envs.counts import RolloutCounts
from skillrl_envs.episode import Episode, EpisodeSpec, Player, RolloutSettings
from skillrl_envs.seeds import request_seed
from skillrl_envs.trajectory import Trajectory

__all__ = ["EpisodeSpec", "Player", "RolloutSettings", "request_seed", "rollout"]


async def rollout(
    player: Player,
    specs: Sequence[EpisodeSpec],
    *,
    write: Callable[[Trajectory], None] | None = None,
    counts: RolloutCounts | None = None,
) -> AsyncGenerator[Trajectory, None]:
    """Play every episode and yield its trajectory as it ends, in no fixed order.

    What an episode does depends on its spec and the weights alone, never on the episodes
    that happen to run beside it (up to rounding in batched arithmetic). Whoever stops before
    the last episode closes the generator (`contextlib.aclosing`), which cancels the rest.

    Args:
        player: Who plays, where and how.
        specs: Which episodes.
        write: Called with each trajectory the moment its episode ends, such as
            `JsonlWriter.write`. When a rollout is cancelled (Ctrl-C, say), every episode
            that has ended is written, whether or not it was yielded. What it raises ends
            the rollout.
        counts: Added to as episodes end or are cancelled.

    Raises:
        ValueError: two episodes have one id, or a group samples twice with one seed.
        GameFileError: a task that cannot be played; so does UnknownTaskError.
    """
    _check_specs(specs, sampling=player.settings.temperature > 0)
    tally = RolloutCounts() if counts is None else counts
    slots = asyncio.Semaphore(player.settings.concurrency)

    async def play(spec: EpisodeSpec) -> Trajectory:
        async with slots:
            trajectory = await Episode(player, spec, tally).play()
            tally.add(trajectory)
            if write is not None:
                write(trajectory)
            return trajectory

    running = {asyncio.create_task(play(spec)) for spec in specs}

    def settle(task: asyncio.Task[Trajectory]) -> None:
        running.discard(task)  # what has been yielded need not be kept
        if not task.cancelled():
            task.exception()  # of several errors one is raised; the others are known, too

    for task in tuple(running):
        task.add_done_callback(settle)
    try:
        for finished in asyncio.as_completed(list(running)):
            yield await finished
    finally:
        unfinished = list(running)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)


def _check_specs(specs: Sequence[EpisodeSpec], *, sampling: bool) -> None:
    for name, times in Counter(spec.id for spec in specs).items():
        if times > 1:
            raise ValueError(f"{times} episodes are called {name!r}; each needs an id of its own")
    if not sampling:
        return
    for (group, seed), times in Counter((spec.group_id, spec.seed) for spec in specs).items():
        if times > 1:
            raise ValueError(
                f"{times} replicas of group {group!r} have the seed {seed} and would sample "
                "the same; each needs a seed of its own"
            )
