# /// script
# requires-python = ">=3.11"
# dependencies = ["alfworld==0.4.2", "textworld[pddl]==1.7.0", "tatsu==5.8.3", "skillrl-envs"]
# [tool.uv]
# override-dependencies = ["spacy ; python_version < '3'"]
# [tool.uv.sources]
# skillrl-envs = { path = "../../packages/envs", editable = true }
# ///
"""What a load, a reset and a step cost in stock TextWorld and in our engine.

    uv run --script benchmarks/alfworld/speed.py DATA [--games 12] [--steps 30] [--live 128]

DATA contains `json_2.1.1`. Both play the same games and the same seeded random actions in
one process, turn about, and are asked for text, admissible list and won flag every time.
CPU time of this process. Then `--live` games of ours are stepped in lockstep, and the
memory of a live game is measured for both.
"""

import argparse
import gc
import random
import resource
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import traces
from oracle import Oracle
from parity import GAME_FILE, OurPlayer, games_in
from traces import Player

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.env import load_scene

SEED = 0
OUR_REPEATS = 5
"""Ours is timed this often per game, so that the clock's grain does not matter."""
LIVE_REAL = 4
ROUNDS = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds in one game."""

    load: float
    reset: float
    step: float
    """Mean over the actions."""


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds of some work, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(load: Callable[[], Player], actions: Sequence[str]) -> Costs:
    """Load a game, start it, and do the actions."""
    loading, player = timed(load)
    resetting, _ = timed(player.reset)
    stepping, _ = timed(lambda: [player.step(action) for action in actions])
    return Costs(loading, resetting, stepping / len(actions))


def mean(costs: Sequence[Costs]) -> Costs:
    return Costs(
        statistics.fmean(c.load for c in costs),
        statistics.fmean(c.reset for c in costs),
        statistics.fmean(c.step for c in costs),
    )


def load_ours(file: Path) -> OurPlayer:
    load_scene.cache_clear()  # every load is to be paid for
    return OurPlayer(Game(load_scene(file)))


def load_real(oracle: Oracle, file: Path) -> Oracle:
    oracle.load(file)
    return oracle


def compare(files: Sequence[Path], steps: int) -> None:
    """Print what both engines cost in the same games."""
    real, ours = [], []
    oracle = Oracle()  # its import and its copy of the planner library are not counted
    for file in files:
        walk = traces.record(load_ours(file), str(file), (), steps=steps, seed=SEED)
        actions = walk.episodes[1].actions
        real.append(measure(partial(load_real, oracle, file), actions))
        repeats = [measure(partial(load_ours, file), actions) for _ in range(OUR_REPEATS)]
        ours.append(mean(repeats))
    print(f"{len(files)} games, {steps} random steps each, seed {SEED}; CPU time, mean per game")
    for what in ("load", "reset", "step"):
        theirs, mine = ([getattr(c, what) for c in costs] for costs in (real, ours))
        ratios = [a / b for a, b in zip(theirs, mine, strict=True)]
        print(
            f"  {what:5}: TextWorld {1e3 * statistics.fmean(theirs):8.2f} ms, "
            f"ours {1e6 * statistics.fmean(mine):7.1f} us, "
            f"ratio of the means {statistics.fmean(theirs) / statistics.fmean(mine):7.0f} "
            f"(per game {min(ratios):.0f} to {max(ratios):.0f})"
        )


def step_all(games: Sequence[Game], actions: Sequence[str]) -> list[object]:
    """Do one action in each game, and ask for all that a driver needs."""
    return [
        (game.step(action), game.admissible, game.won)
        for game, action in zip(games, actions, strict=True)
    ]


def step_in_lockstep(files: Sequence[Path]) -> None:
    """Print what a round of one step in every live game costs, and how much memory they hold."""
    gc.collect()
    before = resident_mb()
    games = [Game(load_scene(file)) for file in files]
    held = resident_mb() - before
    rng = random.Random(SEED)
    rounds = []
    for _ in range(ROUNDS):
        actions = [rng.choice(game.admissible) for game in games]
        spent, _ = timed(partial(step_all, games, actions))
        rounds.append(spent)
    print(
        f"{len(games)} different games in lockstep, {ROUNDS} rounds: "
        f"{1e3 * statistics.median(rounds):.2f} ms a round "
        f"({1e6 * statistics.median(rounds) / len(games):.1f} us a step), "
        f"{held:.0f} MB resident more than before they were loaded"
    )


def weigh(files: Sequence[Path]) -> None:
    """Print the memory of a scene, of a game in it, and of a live game of TextWorld."""
    load_scene.cache_clear()
    gc.collect()
    tracemalloc.start()
    scenes = [load_scene(file) for file in files]
    scene_bytes = tracemalloc.get_traced_memory()[0]
    games = [Game(scene) for scene in scenes]
    game_bytes = tracemalloc.get_traced_memory()[0] - scene_bytes
    tracemalloc.stop()
    print(
        f"memory: a scene (shared by all its episodes) {scene_bytes / len(scenes) / 1024:.0f} KiB, "
        f"a live game {game_bytes / len(games) / 1024:.0f} KiB (tracemalloc, {len(games)} games)"
    )
    before = resident_mb()
    live = [load_real(Oracle(), file) for file in files[:LIVE_REAL]]
    for oracle in live:
        oracle.reset()
    grown = (resident_mb() - before) / len(live)
    print(f"memory: a live game of TextWorld {grown:.1f} MB resident ({len(live)} games)")


def resident_mb() -> float:
    """Return this process's resident memory now."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:  # not Linux: the peak is all there is
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--games", type=int, default=12)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--live", type=int, default=128)
    given = parser.parse_args()
    games = games_in(given.data)
    random.Random(SEED).shuffle(games)
    files = [given.data / "json_2.1.1" / game / GAME_FILE for game in games]
    step_in_lockstep(files[: given.live])
    compare(files[: given.games], given.steps)
    weigh(files[: given.live])


if __name__ == "__main__":
    main()
