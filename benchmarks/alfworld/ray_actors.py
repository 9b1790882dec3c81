# /// script
# requires-python = ">=3.11,<3.14"
# dependencies = [
#   "alfworld==0.4.2", "textworld[pddl]==1.7.0", "tatsu==5.8.3", "ray==2.60.0", "skillrl-envs",
# ]
# [tool.uv]
# override-dependencies = ["spacy ; python_version < '3'"]
# [tool.uv.sources]
# skillrl-envs = { path = "../../packages/envs", editable = true }
# ///
"""One environment per Ray actor, as agent trainers commonly run ALFWorld, against one loop.

    uv run --script benchmarks/alfworld/ray_actors.py DATA [--actors 4] [--steps 20]

Plays the same games and actions three times: our engine in a loop in this process, our
engine in Ray actors, and stock TextWorld in Ray actors. Every round waits for all games, as a
batched driver does. Prints wall time and the CPU time of this process with all of Ray's
(Linux only), for start-up, reset and steps.
"""

import argparse
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import traces
from oracle import Oracle
from parity import GAME_FILE, OurPlayer, games_in
from traces import Player, Seen

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.env import load_scene

SEED = 0

_KEPT_ALIVE: list[object] = []
"""Actors end with the run: the CPU time of one that ended earlier could not be read."""


def load_real(file: Path) -> Player:
    oracle = Oracle()
    oracle.load(file)
    return oracle


def load_ours(file: Path) -> Player:
    return OurPlayer(Game(load_scene(file)))


class Actor:
    """What a Ray actor holds: one game."""

    def __init__(self, load: Callable[[Path], Player], file: Path) -> None:
        self._player = load(file)

    def reset(self) -> Seen:
        return self._player.reset()

    def step(self, action: str) -> Seen:
        return self._player.step(action)


def cpu_seconds() -> float:
    """Return the CPU time of this process and its living descendants, Ray's servers included."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(")")[2].split()[1]
            )
    family = {os.getpid()}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    nanoseconds = 0
    for pid in family:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with suppress(OSError):
                nanoseconds += int(thread.read_text().split()[0])
    return nanoseconds / 1e9


@contextmanager
def stage(name: str, of: int, clock: Callable[[], float] = cpu_seconds) -> Iterator[None]:
    """Print what a block of work cost, divided by `of`."""
    cpu = clock()
    wall = time.perf_counter()
    yield
    wall = time.perf_counter() - wall
    cpu = clock() - cpu
    print(
        f"  {name:22}: {1e3 * wall / of:10.3f} ms wall, {1e3 * cpu / of:10.3f} ms CPU", flush=True
    )


def play_in_actors(
    load: Callable[[Path], Player], files: Sequence[Path], actions: Sequence[Sequence[str]]
) -> list[Seen]:
    """Play each game in an actor of its own and return what was seen last."""
    import ray

    remote: Any = ray.remote(num_cpus=0)(Actor)  # Ray makes the actor's methods when it runs
    with stage("load, per game", len(files)):
        actors = [remote.remote(load, file) for file in files]
        ray.get([actor.__ray_ready__.remote() for actor in actors])
    with stage("reset, per game", len(files)):
        ray.get([actor.reset.remote() for actor in actors])
    with stage("step, per game", len(files) * len(actions)):
        for row in actions:
            calls = [actor.step.remote(action) for actor, action in zip(actors, row, strict=True)]
            seen: list[Seen] = ray.get(calls)
    _KEPT_ALIVE.extend(actors)
    return seen


def play_here(files: Sequence[Path], actions: Sequence[Sequence[str]]) -> list[Seen]:
    """Play each game in this process, one after another within a round."""
    with stage("load, per game", len(files), time.process_time):
        players = [load_ours(file) for file in files]
    with stage("reset, per game", len(files), time.process_time):
        for player in players:
            player.reset()
    with stage("step, per game", len(files) * len(actions), time.process_time):
        for row in actions:
            seen = [player.step(action) for player, action in zip(players, row, strict=True)]
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--actors", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    games = games_in(given.data)
    random.Random(SEED).shuffle(games)
    files = [given.data / "json_2.1.1" / game / GAME_FILE for game in games[: given.actors]]
    walks = [
        traces.record(load_ours(file), str(file), (), steps=given.steps, seed=SEED).episodes[1]
        for file in files
    ]
    load_scene.cache_clear()
    actions = [*zip(*(walk.actions[: given.steps] for walk in walks), strict=True)]
    print(f"{len(files)} games, {len(actions)} steps each, seed {SEED}")

    print("our engine in one loop")
    last = [play_here(files, actions)]

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    print("Ray")
    with stage("start", 1):
        ray.init(
            num_cpus=given.actors,
            include_dashboard=False,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            runtime_env={"env_vars": {"PYTHONPATH": str(Path(__file__).parent)}},
        )
    for name, load in (("our engine", load_ours), ("TextWorld", load_real)):
        print(f"{name} in Ray actors (load includes starting them)")
        last.append(play_in_actors(load, files, actions))
    ray.shutdown()
    same = all(seen == last[0] for seen in last)
    print(f"all three ended with the same text, admissible list and won flag: {same}")


if __name__ == "__main__":
    main()
