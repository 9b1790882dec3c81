"""The environment contract: kept by ALFWorld, and every way of breaking it found."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skillrl_envs.alfworld import CATEGORIES, AlfworldEnv, generated_tasks
from skillrl_envs.env import Env, Observation, StepLimit, StepResult
from skillrl_envs.env_check import INADMISSIBLE, check_env
from skillrl_envs.errors import EnvContractError, EpisodeOver, UnknownTaskError
from skillrl_envs.rewards import REWARDS, paper_reward, reward_scheme, success_reward
from skillrl_envs.task import Task

TASKS = generated_tasks("check", 6)


def test_alfworld_keeps_the_contract() -> None:
    report = check_env(lambda task: AlfworldEnv(), generated_tasks("check", 12), steps=20)
    assert (report.tasks, report.steps) == (12, 12 * 20)
    assert report.inadmissible == report.steps * len(INADMISSIBLE)


class Altered(AlfworldEnv):
    """Keeps the contract in all but one thing."""

    _shared = 0

    def altered(self, result: StepResult) -> StepResult:
        return result

    def step(self, action: str, /) -> StepResult:
        return self.altered(super().step(action))


class Forgetful(Altered):
    def altered(self, result: StepResult) -> StepResult:
        Altered._shared += 1
        text = f"{result.observation.text} ({Altered._shared})"
        return replace(result, observation=replace(result.observation, text=text))


class Unsorted(Altered):
    def altered(self, result: StepResult) -> StepResult:
        seen = result.observation
        return replace(result, observation=replace(seen, admissible=seen.admissible[::-1]))


class Counting(Altered):
    """Remembers over a reset."""

    taken = 0

    def altered(self, result: StepResult) -> StepResult:
        self.taken += 1
        return replace(result, metrics={"taken": self.taken})


class Jumpy(AlfworldEnv):
    """Does something on any action."""

    listed: tuple[str, ...] = ("",)

    def reset(self, task: Task, /) -> Observation:
        seen = super().reset(task)
        self.listed = seen.admissible
        return seen

    def step(self, action: str, /) -> StepResult:
        result = super().step(action if action in self.listed else self.listed[0])
        self.listed = result.observation.admissible
        return result


class Fussy(AlfworldEnv):
    def step(self, action: str, /) -> StepResult:
        action.encode()  # a lone surrogate cannot be
        return super().step(action)


class Deaf(AlfworldEnv):
    """Lists what it does not take."""

    def step(self, action: str, /) -> StepResult:
        return super().step("" if action == "look" else action)


class Endless(Altered):
    def altered(self, result: StepResult) -> StepResult:
        return replace(result, reward=float("nan"))


class Welcoming(AlfworldEnv):
    def reset(self, task: Task, /) -> Observation:
        return super().reset(task if "generated" in task.payload else TASKS[0])


class Crashing(AlfworldEnv):
    def step(self, action: str, /) -> StepResult:
        try:
            return super().step(action)
        except UnknownTaskError as err:
            raise AttributeError("no game") from err


ONE_FOR_ALL = AlfworldEnv()
FRESH = iter([AlfworldEnv() for _ in range(3)])


def fresh_once() -> Env:
    """Enough new environments to look well at first."""
    return next(FRESH, ONE_FOR_ALL)


@pytest.mark.parametrize(
    ("make_env", "complaint"),
    [
        (Forgetful, "is answered differently in a new environment"),
        (Counting, "is answered differently after a reset in mid-episode"),
        (Unsorted, "admissible must be sorted"),
        (Jumpy, "inadmissible action '' changed something|after inadmissible actions"),
        (Fussy, r"inadmissible action '\\ud800' raised UnicodeEncodeError"),
        (Deaf, "the listed action 'look' is answered like an inadmissible one"),
        (Endless, "reward must be a finite number, got nan"),
        (Welcoming, "a task that does not exist was accepted"),
        (Crashing, "a step before any reset raised AttributeError"),
        (lambda: ONE_FOR_ALL, "a step before any reset was accepted"),
        (fresh_once, "make_env returned the same environment twice"),
    ],
)
def test_what_breaks_the_contract_is_found(make_env: Callable[[], Env], complaint: str) -> None:
    ONE_FOR_ALL.reset(TASKS[0])
    with pytest.raises(EnvContractError, match=complaint):
        check_env(lambda task: make_env(), TASKS, steps=40)


def test_a_check_of_too_little_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two tasks, got 1"):
        check_env(lambda task: AlfworldEnv(), TASKS[:1])
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        check_env(lambda task: AlfworldEnv(), TASKS, steps=0)


WORDS = st.sampled_from(
    ["go to", "take", "move", "open", "use", "look", "from", "shelf 1", "mug 1", "fridge 1", "with"]
)
TEXTS = st.one_of(
    st.text(),  # any script, surrogates included
    st.text(alphabet=st.characters(categories=["Lo", "Mn", "Cc", "Cs", "So"])),
    st.lists(WORDS, max_size=5).map(" ".join),
    st.sampled_from(INADMISSIBLE),
)


@settings(max_examples=150, deadline=None)
@given(
    category=st.integers(0, len(CATEGORIES) - 1),
    seed=st.integers(0, 30),
    walk=st.lists(st.tuples(st.integers(0, 10**6), st.lists(TEXTS, max_size=3)), max_size=8),
)
def test_no_text_raises_or_changes_anything_when_inadmissible(
    category: int, seed: int, walk: list[tuple[int, list[str]]]
) -> None:
    task = generated_tasks("check", (seed + 1) * len(CATEGORIES))[seed * len(CATEGORIES) + category]
    disturbed, twin = AlfworldEnv(), AlfworldEnv()
    seen = disturbed.reset(task)
    assert twin.reset(task) == seen
    for choice, texts in walk:
        for text in texts:
            if text.strip() in seen.admissible:
                continue
            answer = disturbed.step(text)
            assert answer.observation == Observation("Nothing happens.", seen.admissible)
            assert (answer.reward, answer.over, answer.success) == (0.0, False, False)
        action = seen.admissible[choice % len(seen.admissible)]
        result = disturbed.step(action)
        assert result == twin.step(action)
        if result.over:
            return
        seen = result.observation


def test_a_step_limit_truncates_and_then_refuses() -> None:
    env = StepLimit(AlfworldEnv(), 3)
    for _ in range(2):
        env.reset(TASKS[0])
        assert env.instruction
        assert [env.step("look").truncated for _ in range(3)] == [False, False, True]
        with pytest.raises(EpisodeOver, match="ended after 3 steps"):
            env.step("look")
    with pytest.raises(ValueError, match="max_steps must be at least 1, got 0"):
        StepLimit(env, 0)


def result(*, success: bool, over: bool) -> StepResult:
    return StepResult(observation=Observation("", ()), reward=0.3, terminated=over, success=success)


def test_schemes_reward_the_step_that_solves_the_task() -> None:
    assert paper_reward(result(success=True, over=True)) == 10.0
    assert success_reward(result(success=True, over=True)) == 1.0
    for scheme in (paper_reward, success_reward):
        assert scheme(result(success=False, over=True)) == 0.0
        assert scheme(result(success=True, over=False)) == 0.0
    assert reward_scheme("env")(result(success=True, over=True)) == 0.3
    assert [reward_scheme(name) for name in REWARDS] == list(REWARDS.values())


def test_a_game_that_does_not_exist_is_a_typed_error() -> None:
    with pytest.raises(UnknownTaskError):
        AlfworldEnv().reset(replace(TASKS[0], payload={}))
