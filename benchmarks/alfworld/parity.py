# /// script
# requires-python = ">=3.11"
# dependencies = ["alfworld==0.4.2", "textworld[pddl]==1.7.0", "tatsu==5.8.3", "skillrl-envs"]
# [tool.uv]
# override-dependencies = ["spacy ; python_version < '3'"]
# [tool.uv.sources]
# skillrl-envs = { path = "../../packages/envs", editable = true }
# ///
"""Does our ALFWorld engine answer word for word like the real one?

    uv run --script benchmarks/alfworld/parity.py record DATA JOURNAL [--oracle stock] [--sample N]
    uv run --script benchmarks/alfworld/parity.py report DATA JOURNAL

DATA contains `json_2.1.1`. `record` plays every game's walkthrough and then, from a new
start, 30 seeded random admissible steps and two stale commands in the real engine, and
keeps what it said under JOURNAL, a file per game; it may be stopped and started again, and
does what is missing. Long walks (`--steps 1500` into a journal of their own) also reach the
wordings of things that are cooled, cleaned and sliced.

`report` replays all that was kept in our engine: observation text, admissible list in
ALFWorld's (sorted) order and won flag are compared after every reset and step. It also
compares the memoised oracle with stock TextWorld on each game that both have played, and
needs no TextWorld itself. The exit status is 1 if anything differs.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import traces
from oracle import Oracle, memoise
from traces import Difference, Seen

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.env import load_scene

SEED = 0
GAME_FILE = "game.tw-pddl"
BATCH = 200
"""Games per set of worker processes: TextWorld's planner library never gives memory back."""


class OurPlayer:
    """Our engine, seen the way the real one is."""

    def __init__(self, game: Game) -> None:
        self._game = game

    def reset(self) -> Seen:
        return self._seen(self._game.reset())

    def step(self, action: str) -> Seen:
        return self._seen(self._game.step(action))

    def _seen(self, text: str) -> Seen:
        return Seen(text, self._game.admissible, self._game.won)


def games_in(data: Path) -> list[str]:
    """Return the folder of every game, relative to json_2.1.1."""
    root = data / "json_2.1.1"
    games = sorted(str(path.parent.relative_to(root)) for path in root.glob(f"*/*/*/{GAME_FILE}"))
    if not games:
        sys.exit(f"no */*/*/{GAME_FILE} under {root}")
    return games


def kept_at(journal: Path, oracle: str, game: str) -> Path:
    """Return where a game's trace is kept."""
    return journal / oracle / f"{game}.json.gz"


# --- record ---------------------------------------------------------------------------


def record(
    data: Path, journal: Path, oracle: str, *, sample: int | None, steps: int, processes: int
) -> int:
    """Play what the journal lacks; return how many games could not be recorded."""
    games = games_in(data)
    random.Random(SEED).shuffle(games)  # so that any part of the run is a fair sample
    missing = [game for game in games[:sample] if not kept_at(journal, oracle, game).exists()]
    print(f"{oracle}: {len(missing)} games to record", flush=True)
    start, failed = time.monotonic(), 0
    for first in range(0, len(missing), BATCH):
        batch = missing[first : first + BATCH]
        with ProcessPoolExecutor(
            processes, get_context("spawn"), initializer=_start_worker, initargs=(oracle,)
        ) as pool:
            running = {
                pool.submit(_record_game, data, kept_at(journal, oracle, game), game, steps): game
                for game in batch
            }
            for future in as_completed(running):
                if (error := future.exception()) is not None:
                    failed += 1
                    print(f"not recorded: {running[future]}: {error!r}", flush=True)
        done = first + len(batch)
        rate = done / (time.monotonic() - start)
        left = (len(missing) - done) / rate / 60
        print(f"{done} of {len(missing)}: {rate:.2f} games/s, {left:.0f} min left", flush=True)
    return failed


def _start_worker(oracle: str) -> None:
    os.nice(19)
    if oracle == "memoised":
        memoise()


@cache
def _real_engine() -> Oracle:
    """Return this worker process's own: each one loads a copy of the planner library."""
    return Oracle()


def _record_game(data: Path, kept: Path, game: str, steps: int) -> None:
    file = data / "json_2.1.1" / game / GAME_FILE
    walkthrough = json.loads(file.read_text(encoding="utf-8"))["walkthrough"]
    real = _real_engine()
    real.load(file)
    traces.save(traces.record(real, game, walkthrough, steps=steps, seed=SEED), kept)


# --- report ---------------------------------------------------------------------------


class Compared(NamedTuple):
    """What one game's replay in our engine found."""

    steps: int
    verbs: Counter[str]
    differences: list[Difference]


def report(data: Path, journal: Path, processes: int) -> int:
    """Compare our engine with everything recorded; return the number of differences."""
    games = games_in(data)
    total = 0
    for oracle in ("stock", "memoised"):
        kept = [game for game in games if kept_at(journal, oracle, game).exists()]
        with ProcessPoolExecutor(processes) as pool:
            arguments = repeat(data), repeat(journal), repeat(oracle), kept
            compared = list(pool.map(_compare_game, *arguments, chunksize=20))
        total += _summarise(f"our engine against {oracle} TextWorld", games, kept, compared)
    return total + _compare_oracles(games, journal)


def _compare_game(data: Path, journal: Path, oracle: str, game: str) -> Compared:
    trace = traces.load(kept_at(journal, oracle, game))
    ours = OurPlayer(Game(load_scene(data / "json_2.1.1" / game / GAME_FILE)))
    return Compared(trace.steps, traces.verbs(trace), list(traces.differences(trace, ours)))


def _summarise(title: str, games: list[str], kept: list[str], compared: list[Compared]) -> int:
    found = [difference for game in compared for difference in game.differences]
    verbs = sum((game.verbs for game in compared), Counter[str]())
    print(f"{title}: {len(kept)} of {len(games)} games, {sum(c.steps for c in compared)} steps")
    if not kept:
        return 0
    print(f"  games per split: {_counts(game.split('/')[0] for game in kept)}")
    print(f"  games per task type: {_counts(game.split('/')[1].split('-')[0] for game in kept)}")
    print(f"  steps per verb: {_counts(verbs.elements())}")
    print(f"  differences: {_counts(d.kind for d in found) or 'none'}")
    for difference in found[:10]:
        print(f"    {difference.kind} at {difference.where}")
        print(f"      real: {difference.real!r:.400}\n      ours: {difference.ours!r:.400}")
    return len(found)


def _counts(things: Iterable[str]) -> str:
    return ", ".join(f"{thing} {count}" for thing, count in Counter(things).most_common())


def _compare_oracles(games: list[str], journal: Path) -> int:
    both = list(_played_twice(games, journal))
    unequal = [game for game, equal in both if not equal]
    print(f"memoised against stock TextWorld: {len(both)} games, {len(unequal)} traces differ")
    for game in unequal[:10]:
        print(f"    {game}")
    return len(unequal)


def _played_twice(games: list[str], journal: Path) -> Iterator[tuple[str, bool]]:
    for game in games:
        stock, memoised = (kept_at(journal, oracle, game) for oracle in ("stock", "memoised"))
        if stock.exists() and memoised.exists():
            yield game, traces.load(stock) == traces.load(memoised)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=["record", "report"])
    parser.add_argument("data", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument("--oracle", choices=["stock", "memoised"], default="memoised")
    parser.add_argument("--sample", type=int, help="only that many games, drawn with a fixed seed")
    parser.add_argument("--steps", type=int, default=30, help="random steps per game")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    if given.what == "record":
        bad = record(
            given.data,
            given.journal,
            given.oracle,
            sample=given.sample,
            steps=given.steps,
            processes=given.processes,
        )
    else:
        bad = report(given.data, given.journal, given.processes)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
