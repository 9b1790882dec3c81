"""Speed of the ALFWorld engine, and whether every official walkthrough wins in it.

    uv run python benchmarks/alfworld/engine.py [DIRECTORY_WITH_json_2.1.1]

CPU time of this process. Without a directory it times generated games only.
"""

import random
import sys
import time
from pathlib import Path

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.env import load_scene
from skillrl_envs.alfworld.generator import CATEGORIES, generate_scene

SEED = 0


def time_steps(games: list[Game], steps: int) -> float:
    """Return microseconds per random step, admissible commands and win test included."""
    rng = random.Random(SEED)
    spent, count = 0.0, 0
    for game in games:
        game.reset()
        for _ in range(steps):
            command = rng.choice(game.admissible)
            start = time.process_time()
            game.step(command)
            game.admissible, game.won  # noqa: B018  # what a driver asks for after each step
            spent += time.process_time() - start
            count += 1
    return 1e6 * spent / count


def main() -> None:
    generated = [Game(generate_scene("bench", c, s)) for c in CATEGORIES for s in range(10)]
    print(f"seed {SEED}")
    print(f"generated games: {time_steps(generated, 60):.0f} us per step")
    if len(sys.argv) < 2:
        return
    paths = sorted(Path(sys.argv[1]).glob("json_2.1.1/*/*/*/game.tw-pddl"))
    sample = random.Random(SEED).sample(paths, min(200, len(paths)))
    start = time.process_time()
    scenes = [load_scene(path) for path in sample]
    print(f"official games: {1e3 * (time.process_time() - start) / len(sample):.2f} ms per load")
    print(f"official games: {time_steps([Game(s) for s in scenes], 60):.0f} us per step")
    lost = 0
    for path in paths:
        game = Game(load_scene(path))
        for command in game.scene.walkthrough:
            game.step(command)
        lost += not game.won
    print(f"official walkthroughs that do not win: {lost} of {len(paths)}")


if __name__ == "__main__":
    main()
