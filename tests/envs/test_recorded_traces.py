"""Replays what the real ALFWorld (stock TextWorld 1.7.0) said in generated games.

benchmarks/alfworld/generated.py recorded them; each trace carries the problem that it was
played in, so a change of the generator leaves them valid.
"""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.scene import build_scene

_FILE = Path(__file__).parent / "traces" / "generated.jsonl.xz"
_RECORDS: list[dict[str, Any]] = [  # plain JSON, read as it is
    json.loads(line) for line in lzma.decompress(_FILE.read_bytes()).decode().splitlines()
]


def start(record: dict[str, Any]) -> Game:
    return Game(build_scene(record["problem"], record["instruction"]))


@pytest.mark.parametrize("record", _RECORDS, ids=lambda record: record["trace"]["game"])
def test_our_engine_says_what_the_real_one_said(record: dict[str, Any]) -> None:
    game = start(record)
    for episode in record["trace"]["episodes"]:
        texts = [game.reset()]
        for step, (text, admissible, won) in enumerate(episode["seen"]):
            if step:
                texts.append(game.step(episode["actions"][step - 1]))
            where = f"{episode['name']} after {episode['actions'][:step]}"
            assert texts[-1] == text, where
            assert list(game.admissible) == admissible, where
            assert game.won == won, where


def test_the_recordings_cover_every_task_type_verb_and_a_refusal() -> None:
    played = [
        (action, before)
        for record in _RECORDS
        for episode in record["trace"]["episodes"]
        for action, before in zip(episode["actions"], episode["seen"][:-1], strict=True)
    ]
    assert {action.split()[0] for action, _ in played} == {
        "look", "inventory", "help", "go", "open", "close", "take", "move", "examine",
        "use", "clean", "heat", "cool", "slice",
    }  # fmt: skip
    assert any(action not in admissible for action, (_, admissible, _) in played)
    kinds = {record["trace"]["game"].split("/")[1].split("-")[0] for record in _RECORDS}
    assert len(kinds) == 6


@pytest.mark.parametrize("record", _RECORDS[:6], ids=lambda record: record["trace"]["game"])
def test_recorded_walkthroughs_win(record: dict[str, Any]) -> None:
    walkthrough, _ = record["trace"]["episodes"]
    wins = [won for _, _, won in walkthrough["seen"]]
    assert wins == [False] * (len(wins) - 1) + [True]
