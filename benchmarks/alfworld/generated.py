# /// script
# requires-python = ">=3.11"
# dependencies = ["alfworld==0.4.2", "textworld[pddl]==1.7.0", "tatsu==5.8.3", "skillrl-envs"]
# [tool.uv]
# override-dependencies = ["spacy ; python_version < '3'"]
# [tool.uv.sources]
# skillrl-envs = { path = "../../packages/envs", editable = true }
# ///
"""Games of our generator, for the real engine to play.

    uv run --script benchmarks/alfworld/generated.py write DATA [--count 200]
    uv run --script benchmarks/alfworld/parity.py record DATA JOURNAL --oracle stock
    uv run --script benchmarks/alfworld/parity.py report DATA JOURNAL
    uv run --script benchmarks/alfworld/generated.py pack DATA JOURNAL TRACES [--count 24]

`write` makes game files out of the generator's PDDL and the rules and words of the installed
`alfworld`; the walkthrough is what our expert does. `pack` puts the first of the recorded
traces, with their problems, into the file that tests/envs/test_recorded_traces.py replays.
"""

import argparse
import json
import lzma
from pathlib import Path

import traces

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.expert import SearchExpert
from skillrl_envs.alfworld.generator import CATEGORIES, generate_problem
from skillrl_envs.alfworld.scene import build_scene
from skillrl_envs.prompt import EpisodeView, Turn

SPLIT = "parity"
MAX_STEPS = 150


def games(count: int) -> list[tuple[str, int]]:
    """Return `count` (task type, seed) pairs, spread evenly over the types."""
    return [(CATEGORIES[i % len(CATEGORIES)], i // len(CATEGORIES)) for i in range(count)]


def folder(category: str, seed: int) -> str:
    """Return a game's folder, in the layout of the official games."""
    return f"generated/{category}-{SPLIT}/{seed}"


def write(data: Path, count: int) -> None:
    """Write game files that TextWorld loads."""
    from alfworld.info import ALFRED_PDDL_PATH, ALFRED_TWL2_PATH

    domain = Path(ALFRED_PDDL_PATH).read_text(encoding="utf-8")
    grammar = Path(ALFRED_TWL2_PATH).read_text(encoding="utf-8")
    for category, seed in games(count):
        problem = generate_problem(SPLIT, category, seed)
        content = {
            "pddl_domain": domain,
            # The placeholder ends in the full stop that the instruction brings along.
            "grammar": grammar.replace("UNKNOWN GOAL.", problem.instruction),
            "pddl_problem": problem.pddl,
            "solvable": True,
            "walkthrough": _solve(Game(build_scene(problem.pddl, problem.instruction))),
        }
        place = data / "json_2.1.1" / folder(category, seed)
        place.mkdir(parents=True, exist_ok=True)
        (place / "game.tw-pddl").write_text(json.dumps(content), encoding="utf-8")
    print(f"wrote {count} games, split {SPLIT!r}, under {data}")


def _solve(game: Game) -> list[str]:
    """Return what our expert does; a game that it cannot win ends the script."""
    expert, observation = SearchExpert(), game.reset()
    turns: list[Turn] = []
    while not game.won:
        if len(turns) == MAX_STEPS:
            raise SystemExit(f"the expert did not win within {MAX_STEPS} steps: {observation}")
        view = EpisodeView(
            instruction=game.scene.instruction,
            skills="",
            history=tuple(turns),
            observation=observation,
            admissible=game.admissible,
        )
        action = expert.decide(view).action
        turns.append(Turn(observation, action))
        observation = game.step(action)
    return [turn.action for turn in turns]


def pack(data: Path, journal: Path, target: Path, count: int) -> None:
    """Write traces that stock TextWorld gave, each with the problem it was played in."""
    lines = []
    for category, seed in games(count):
        name = folder(category, seed)
        content = json.loads((data / "json_2.1.1" / name / "game.tw-pddl").read_text("utf-8"))
        trace = traces.load(journal / "stock" / f"{name}.json.gz")
        instruction = generate_problem(SPLIT, category, seed).instruction
        lines.append(
            json.dumps(
                {
                    "problem": content["pddl_problem"],
                    "instruction": instruction,
                    "trace": json.loads(traces.encode(trace)),
                }
            )
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.compress("".join(f"{line}\n" for line in lines).encode()))
    print(f"packed {count} games into {target}: {target.stat().st_size} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_subparsers(dest="what", required=True)
    writing = what.add_parser("write")
    writing.add_argument("data", type=Path)
    writing.add_argument("--count", type=int, default=200)
    packing = what.add_parser("pack")
    packing.add_argument("data", type=Path)
    packing.add_argument("journal", type=Path)
    packing.add_argument("traces", type=Path)
    packing.add_argument("--count", type=int, default=24)
    given = parser.parse_args()
    if given.what == "write":
        write(given.data, given.count)
    else:
        pack(given.data, given.journal, given.traces, given.count)


if __name__ == "__main__":
    main()
