"""The Gymnasium adapter, by Gymnasium's own checker and by playing through it."""

import warnings
from typing import SupportsFloat

import pytest

from skillrl_envs.alfworld import AlfworldEnv, SearchExpert, generated_tasks
from skillrl_envs.errors import EpisodeOver, UnknownTaskError
from skillrl_envs.prompt import EpisodeView, Turn

gymnasium = pytest.importorskip("gymnasium", reason="gymnasium is not installed")

from gymnasium.utils.env_checker import check_env  # noqa: E402  # only where it is installed

from skillrl_envs.gymnasium_env import AnyText, GymnasiumEnv  # noqa: E402

TASKS = generated_tasks("check", 12)


def make(max_steps: int = 50) -> GymnasiumEnv:
    return GymnasiumEnv(lambda task: AlfworldEnv(), TASKS, max_steps=max_steps, reward="success")


def test_gymnasiums_own_checker_finds_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # An environment that is not registered has no spec to be rendered by.
        warnings.filterwarnings("ignore", message=".*spec.*")
        check_env(make(), skip_render_check=True)


def test_seeds_decide_which_tasks_come() -> None:
    def played(seed: int) -> list[str]:
        env = make()
        first = env.reset(seed=seed)[1]["task_id"]
        return [first, *(env.reset()[1]["task_id"] for _ in range(5))]

    assert played(1) == played(1)
    assert played(1) != played(2)
    assert {name for seed in range(20) for name in played(seed)} == {task.id for task in TASKS}


def test_an_episode_is_won_through_it() -> None:
    env = make()
    text, info = env.reset(options={"task": 0})
    assert info["task_id"] == TASKS[0].id
    assert info["instruction"] in text
    history: tuple[Turn, ...] = ()
    terminated = truncated = False
    reward: SupportsFloat = 0.0
    while not (terminated or truncated):
        assert (reward, info["success"]) == (0.0, False)
        view = EpisodeView(
            instruction=info["instruction"],
            skills="",
            history=history,
            observation=text,
            admissible=tuple(info["admissible"]),
        )
        action = SearchExpert().decide(view).action
        history = (*history, Turn(text, action))
        text, reward, terminated, truncated, info = env.step(action)
    assert (reward, terminated, truncated, info["success"]) == (1.0, True, False, True)
    with pytest.raises(EpisodeOver):
        env.step("look")


def test_limits_truncate() -> None:
    env = make(max_steps=2)
    env.reset(seed=0)
    assert env.step("look")[2:4] == (False, False)
    assert env.step("look")[2:4] == (False, True)


def test_tasks_can_be_asked_for_and_must_exist() -> None:
    env = make()
    assert env.reset(options={"task": TASKS[3]})[1]["task_id"] == TASKS[3].id
    for wrong in (99, -1, "generated/check"):
        with pytest.raises(UnknownTaskError, match="must be a Task or an index below 12"):
            env.reset(options={"task": wrong})
    with pytest.raises(UnknownTaskError, match="call reset"):
        make().step("look")
    with pytest.raises(ValueError, match="no tasks"):
        GymnasiumEnv(lambda task: AlfworldEnv(), [])


def test_texts_of_any_script_are_in_the_space() -> None:
    space = AnyText(10)
    assert "\u6253\u5f00" in space
    assert "" in space
    assert "x" * 11 not in space
    assert 3 not in space
    space.seed(1)
    assert space.sample() in space


def test_rendering_shows_the_last_observation() -> None:
    env = GymnasiumEnv(lambda task: AlfworldEnv(), TASKS, render_mode="ansi")
    text, _ = env.reset(seed=0)
    assert env.render() == text
    assert make().render() is None
    with pytest.raises(ValueError, match="render_mode must be None or 'ansi', got 'human'"):
        GymnasiumEnv(lambda task: AlfworldEnv(), TASKS, render_mode="human")
