"""Environments in lockstep: finished slots cost nothing, broken ones stand alone."""

from dataclasses import replace

import pytest

from skillrl_envs.alfworld import AlfworldEnv, SearchExpert, generated_tasks
from skillrl_envs.env import StepResult
from skillrl_envs.env_batch import EnvBatch
from skillrl_envs.errors import EpisodeOver, UnknownTaskError
from skillrl_envs.prompt import EpisodeView, Turn
from skillrl_envs.task import Task

TASKS = generated_tasks("check", 6)


class Counted(AlfworldEnv):
    """Knows how often it was stepped."""

    steps = 0

    def step(self, action: str, /) -> StepResult:
        self.steps += 1
        return super().step(action)


def test_a_group_is_played_to_its_end_and_nothing_beyond() -> None:
    envs: list[Counted] = []

    def make_env(task: Task) -> Counted:
        envs.append(Counted())
        return envs[-1]

    batch = EnvBatch(make_env, max_steps=40, reward="success")
    views = [
        EpisodeView(
            instruction=instruction,
            skills="",
            history=(),
            observation=seen.text,
            admissible=seen.admissible,
        )
        for seen, instruction in zip(batch.reset(TASKS), batch.instructions, strict=True)
    ]
    reward, generated = [0.0] * len(TASKS), 0
    while batch.playing:
        actions: list[str | None] = [None] * len(batch)
        for slot in batch.playing:
            actions[slot] = SearchExpert().decide(views[slot]).action
            generated += 1
        for slot, result in enumerate(batch.step(actions)):
            assert (result is None) == (actions[slot] is None)
            if result is None:
                continue
            reward[slot] += result.reward
            turn = Turn(views[slot].observation, actions[slot] or "")
            views[slot] = replace(
                views[slot],
                history=(*views[slot].history, turn),
                observation=result.observation.text,
                admissible=result.observation.admissible,
            )
    assert reward == [1.0] * 6
    assert {ended.kind for ended in batch.ended if ended is not None} == {"terminated"}
    assert len({env.steps for env in envs}) > 1
    assert generated == sum(env.steps for env in envs)


def test_a_limit_truncates_each_slot() -> None:
    batch = EnvBatch(lambda task: AlfworldEnv(), max_steps=2)
    batch.reset([TASKS[0], TASKS[0]])
    assert [r.truncated for r in batch.step(["look", "look"]) if r] == [False, False]
    assert [r.truncated for r in batch.step(["look", "help"]) if r] == [True, True]
    assert [ended.reason for ended in batch.ended if ended] == ["2 steps", "2 steps"]
    with pytest.raises(EpisodeOver, match="all 2 slots have finished"):
        batch.step([None, None])
    assert len(batch.reset(TASKS[:1])) == len(batch) == 1


def test_a_slot_that_breaks_is_failed_and_the_others_go_on() -> None:
    class Fragile(AlfworldEnv):
        def step(self, action: str, /) -> StepResult:
            if action == "help":
                raise RuntimeError("no help")
            return super().step(action)

    batch = EnvBatch(lambda task: Fragile())
    batch.reset(TASKS[:2])
    broken, fine = batch.step(["help", "look"])
    assert broken is None
    assert fine is not None
    ended = batch.ended[0]
    assert ended is not None
    assert (ended.kind, ended.reason) == ("failed", "RuntimeError: no help")
    assert batch.playing == (1,)
    assert batch.step(["ignored", "look"])[0] is None


def test_slots_share_nothing() -> None:
    batch = EnvBatch(lambda task: AlfworldEnv())
    start = batch.reset([TASKS[0]] * 2)
    assert start[0] == start[1]
    move = next(action for action in start[0].admissible if action.startswith("go to"))
    moved, stayed = batch.step([move, "look"])
    assert moved is not None
    assert stayed is not None
    assert moved.observation != stayed.observation
    assert stayed.observation.admissible == start[1].admissible


def test_misuse_is_named() -> None:
    batch = EnvBatch(lambda task: AlfworldEnv())
    batch.reset(TASKS[:2])
    with pytest.raises(ValueError, match="2 slots got 1 actions"):
        batch.step(["look"])
    with pytest.raises(ValueError, match=r"no action for slots \[1\]"):
        batch.step(["look", None])
    one = AlfworldEnv()
    with pytest.raises(ValueError, match="one environment for two slots"):
        EnvBatch(lambda task: one).reset(TASKS[:2])
    with pytest.raises(ValueError, match="max_steps must be at least 1, got 0"):
        EnvBatch(lambda task: one, max_steps=0)
    with pytest.raises(UnknownTaskError):
        batch.reset([replace(TASKS[0], payload={})])
    assert len(batch) == 2  # a reset that fails leaves the batch as it was
