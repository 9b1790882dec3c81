import json
from pathlib import Path

import pytest

from skillrl_envs.alfworld import CATEGORIES, AlfworldEnv, generated_tasks, official_tasks
from skillrl_envs.alfworld.env import load_scene
from skillrl_envs.errors import GameFileError, UnknownTaskError
from skillrl_envs.task import Task


def test_generated_games_are_spread_over_the_task_types() -> None:
    tasks = generated_tasks("test", 12)
    assert [task.category for task in tasks] == [*CATEGORIES, *CATEGORIES]
    assert len({task.id for task in tasks}) == 12


def test_a_generated_task_replays_from_its_payload_alone() -> None:
    task = generated_tasks("test", 3)[2]
    first, second = AlfworldEnv(), AlfworldEnv()
    assert first.reset(task) == second.reset(task)
    assert first.instruction in first.reset(task).text


def test_unknown_task_types_are_refused_by_name() -> None:
    with pytest.raises(UnknownTaskError, match=r"\['juggle'\].*pick_and_place_simple"):
        generated_tasks("test", 3, categories=["juggle"])


def test_an_official_game_needs_its_data() -> None:
    task = Task(id="x", env="alfworld", category="c", split="s", payload={"official": "a/b/c"})
    with pytest.raises(UnknownTaskError, match="ALFWORLD_DATA"):
        AlfworldEnv().reset(task)


def test_a_foreign_payload_is_refused() -> None:
    task = Task(id="x", env="webshop", category="c", split="s", payload={"asin": "B00"})
    with pytest.raises(UnknownTaskError, match="no ALFWorld payload"):
        AlfworldEnv().reset(task)


def test_a_missing_data_directory_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(GameFileError, match=r"json_2\.1\.1"):
        official_tasks(tmp_path, "train")
    (tmp_path / "json_2.1.1" / "valid_seen").mkdir(parents=True)
    with pytest.raises(GameFileError, match=r"no split 'train'.*valid_seen"):
        official_tasks(tmp_path, "train")
    with pytest.raises(GameFileError, match=r"no game\.tw-pddl"):
        official_tasks(tmp_path, "valid_seen")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\xff\xfe", "is no game file"),
        (b"[1, 2]", "expected pddl_problem and grammar"),
        (b'{"pddl_problem": 3, "grammar": ""}', "expected pddl_problem and grammar"),
        (json.dumps({"pddl_problem": "(", "grammar": 'Your task is to: x"'}).encode(), "balanced"),
        (json.dumps({"pddl_problem": "", "grammar": "nothing"}).encode(), "states no task"),
    ],
)
def test_a_file_that_is_no_game_is_named(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "game.tw-pddl"
    path.write_bytes(content)
    with pytest.raises(GameFileError, match=complaint) as caught:
        load_scene(path)
    assert str(path) in str(caught.value)


@pytest.mark.data
def test_official_splits_have_every_game_once(alfworld_data: Path) -> None:
    tasks = official_tasks(alfworld_data, "valid_seen")
    assert len(tasks) == 140
    assert len({task.id for task in tasks}) == 140
    counts = {c: sum(task.category == c for task in tasks) for c in CATEGORIES}
    assert counts == {
        "pick_and_place_simple": 35,
        "look_at_obj_in_light": 13,
        "pick_clean_then_place_in_recep": 27,
        "pick_heat_then_place_in_recep": 16,
        "pick_cool_then_place_in_recep": 25,
        "pick_two_obj_and_place": 24,
    }
