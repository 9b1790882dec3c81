"""Plays the episodes of one unit of work, keeping each as it ends.

Episodes that an interrupted sitting already played are taken from disk, so that nothing
is played twice and nothing is lost.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from skillrl_app.errors import RunError
from skillrl_envs.jsonl import JsonlWriter, read_jsonl
from skillrl_envs.rollout import EpisodeSpec, Player, rollout
from skillrl_envs.trajectory import Trajectory

OnEpisode = Callable[[Trajectory], None]


def play(
    path: Path, player: Player, specs: Sequence[EpisodeSpec], on_episode: OnEpisode
) -> list[Trajectory]:
    """Return the trajectories of `specs`, in their order, playing those not on disk yet.

    Args:
        path: The unit's trajectory file.
        player: Who plays; its policy version is checked against what is on disk.
        specs: Which episodes.
        on_episode: Called for every episode, from disk or played, before this returns.

    Raises:
        RunError: every single episode broke; the message quotes the first.
    """
    wanted = {spec.id for spec in specs}
    done = {
        episode.id: episode
        for episode in read_episodes(path)
        if episode.id in wanted
        and episode.policy_version == player.policy_version
        and episode.ended.kind != "failed"  # what broke is tried again
    }
    for episode in done.values():
        on_episode(episode)
    missing = [spec for spec in specs if spec.id not in done]
    if missing:
        with JsonlWriter(path) as writer:

            async def play_missing() -> None:
                async for episode in rollout(player, missing, write=writer.write):
                    done[episode.id] = episode
                    on_episode(episode)

            asyncio.run(play_missing())
    episodes = [done[spec.id] for spec in specs]
    _check_not_all_broken(episodes)
    return episodes


def read_episodes(path: Path) -> list[Trajectory]:
    """Return a unit's episodes in the order of their ids; of one played twice, the later.

    On disk they stand in the order of ending, which an interruption changes.
    """
    latest = {episode.id: episode for episode in read_jsonl(Trajectory, path)}
    return [latest[name] for name in sorted(latest, key=_by_number)]


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split("/")]


def _check_not_all_broken(episodes: Sequence[Trajectory]) -> None:
    broken = [episode for episode in episodes if episode.ended.kind == "failed"]
    if broken and len(broken) == len(episodes):
        first = broken[0]
        raise RunError(f"all {len(broken)} episodes broke; {first.id}: {first.ended.reason}")
