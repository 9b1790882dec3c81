"""Tests any environment against the contract in `env`, from the outside.

    check_env(lambda task: MyEnv(), tasks)

plays some steps of each task in several environments at a time and raises
EnvContractError at the first thing that does not hold.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from skillrl_envs.env import Env, Observation, StepLimit, StepResult
from skillrl_envs.errors import EnvContractError, EnvsError
from skillrl_envs.task import Task

INADMISSIBLE = (
    "",
    " \t\n ",
    "\0\x1b[2J",
    "</action>",
    "go to nowhere 99",
    "{thing}; __import__('os')",
    "\u6253\u5f00\u51b0\u7bb1",
    "\u0627\u0641\u062a\u062d \u0627\u0644\u062b\u0644\u0627\u062c\u0629",
    "\U0001f9ca" * 50,
    "\ud800",
    "x" * 1_000_000,
)
"""Actions that no environment should list: empty, other scripts, a lone surrogate, 1 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """How much was tried, so that nobody takes a check of nothing for a good one."""

    tasks: int
    steps: int
    """Admissible actions done."""
    inadmissible: int
    """Inadmissible actions tried; 0 where actions are free text."""
    ended: int
    """Episodes that reached an end of their own."""


def check_env(
    make_env: Callable[[Task], Env], tasks: Sequence[Task], *, steps: int = 30, seed: int = 0
) -> CheckReport:
    """Check that environments keep the contract.

    Checked for each task: `reset` and `step` give equal answers to equal actions, in a
    new environment, after a reset in mid-episode and while another environment plays;
    every listed action is accepted; no other raises or changes anything; a step limit
    truncates; results are of the declared types. Once: a step before any reset, and a
    task that does not exist, raise an EnvsError.

    Args:
        make_env: Returns a new environment for the task.
        tasks: At least two, so that episodes could disturb each other.
        steps: Random admissible actions per task.
        seed: Fixes which.

    Raises:
        EnvContractError: names the task, the step and what did not hold.
    """
    if len(tasks) < 2:
        raise ValueError(f"check_env needs at least two tasks, got {len(tasks)}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    _check_refusals(make_env, tasks[0])
    taken = tried = ended = 0
    for task, other in zip(tasks, [*tasks[1:], tasks[0]], strict=True):
        walk = _walk(make_env(task), task, steps, random.Random(f"{seed}/{task.id}"))
        _check_replay(make_env, task, other, walk)
        tried += _check_inadmissible(make_env, task, walk)
        _check_limit(make_env, task, walk)
        taken += len(walk.actions)
        ended += walk.results[-1].over
    return CheckReport(tasks=len(tasks), steps=taken, inadmissible=tried, ended=ended)


@dataclass(frozen=True, slots=True)
class _Walk:
    """One episode, as it was first seen."""

    instruction: str
    start: Observation
    actions: list[str]
    results: list[StepResult]

    def before(self, step: int) -> Observation:
        return self.start if step == 0 else self.results[step - 1].observation


def _require(holds: bool, task: Task, step: int, complaint: str) -> None:
    if not holds:
        raise EnvContractError(f"task {task.id!r}, step {step}: {complaint}")


def _check_refusals(make_env: Callable[[Task], Env], task: Task) -> None:
    nowhere = Task(id="no such task", env=task.env, category="", split="", payload={"no": "such"})
    attempts: tuple[tuple[str, Callable[[Env], object]], ...] = (
        ("a step before any reset", lambda env: env.step("look")),
        ("a task that does not exist", lambda env: env.reset(nowhere)),
    )
    for what, attempt in attempts:
        try:
            attempt(make_env(task))
        except EnvsError:
            continue
        except Exception as err:
            raise EnvContractError(f"{what} raised {err!r}; expected an EnvsError") from err
        raise EnvContractError(f"{what} was accepted; expected an EnvsError")


def _walk(env: Env, task: Task, steps: int, rng: random.Random) -> _Walk:
    walk = _Walk("", env.reset(task), [], [])
    walk = _Walk(env.instruction, walk.start, [], [])
    _require(bool(walk.instruction), task, 0, "no instruction after reset")
    _check_observation(walk.start, task, 0)
    for step in range(steps):
        admissible = walk.before(step).admissible
        action = rng.choice(admissible) if admissible else f"search {rng.randint(0, 9)}"
        result = env.step(action)
        walk.actions.append(action)
        walk.results.append(result)
        _check_result(result, task, step)
        _require(
            env.instruction == walk.instruction, task, step, "the instruction changed on the way"
        )
        if result.over:
            break
    return walk


def _check_observation(seen: Observation, task: Task, step: int) -> None:
    _require(isinstance(seen.text, str), task, step, f"the observation is {seen.text!r:.80}")
    listed = seen.admissible
    _require(
        isinstance(listed, tuple) and all(isinstance(a, str) and a.strip() for a in listed),
        task,
        step,
        f"admissible must be a tuple of texts, got {listed!r:.80}",
    )
    _require(
        list(listed) == sorted(set(listed)), task, step, "admissible must be sorted, each once"
    )


def _check_result(result: StepResult, task: Task, step: int) -> None:
    _check_observation(result.observation, task, step)
    for name in ("terminated", "truncated", "success"):
        value = getattr(result, name)
        _require(isinstance(value, bool), task, step, f"{name} must be a bool, got {value!r:.80}")
    for name, value in {"reward": result.reward, **result.metrics}.items():
        _require(
            isinstance(value, int | float) and math.isfinite(value),
            task,
            step,
            f"{name} must be a finite number, got {value!r:.80}",
        )


def _check_replay(make_env: Callable[[Task], Env], task: Task, other: Task, walk: _Walk) -> None:
    """Play the walk again: in a new environment, beside another, and after a reset."""
    env, beside = make_env(task), make_env(other)
    _require(env is not beside, task, 0, "make_env returned the same environment twice")
    for round_name in ("in a new environment", "after a reset in mid-episode"):
        _require(env.reset(task) == walk.start, task, 0, f"reset differs {round_name}")
        view = beside.reset(other)
        for step, action in enumerate(walk.actions):
            result = env.step(action)
            _require(
                result == walk.results[step],
                task,
                step,
                f"{action!r:.80} is answered differently {round_name} beside another episode",
            )
            if view.admissible:
                view = beside.step(view.admissible[step % len(view.admissible)]).observation
        _require(env.instruction == walk.instruction, task, 0, f"instruction differs {round_name}")


def _check_inadmissible(make_env: Callable[[Task], Env], task: Task, walk: _Walk) -> int:
    env, tried = make_env(task), 0
    env.reset(task)
    rejection: str | None = None
    for step, action in enumerate(walk.actions):
        before = walk.before(step)
        for probe in INADMISSIBLE if before.admissible else ():
            try:
                answer = env.step(probe)
            except Exception as err:
                raise EnvContractError(
                    f"task {task.id!r}, step {step}: the inadmissible action {probe!r:.60} raised "
                    f"{err!r:.80}"
                ) from err
            tried += 1
            _require(
                answer.observation.admissible == before.admissible
                and not answer.over
                and not answer.success,
                task,
                step,
                f"the inadmissible action {probe!r:.60} changed something",
            )
            rejection = answer.observation.text if probe == INADMISSIBLE[0] else rejection
        result = env.step(action)
        _require(
            result == walk.results[step],
            task,
            step,
            f"after inadmissible actions {action!r:.80} is answered differently",
        )
        _require(
            result.observation.text != rejection or result.over,
            task,
            step,
            f"the listed action {action!r:.80} is answered like an inadmissible one",
        )
    return tried


def _check_limit(make_env: Callable[[Task], Env], task: Task, walk: _Walk) -> None:
    most = max(1, len(walk.actions) // 2)
    env = StepLimit(make_env(task), most)
    env.reset(task)
    for step, action in enumerate(walk.actions[:most]):
        result = env.step(action)
        last = step == most - 1
        _require(
            result.over == (last or walk.results[step].over),
            task,
            step,
            f"a limit of {most} steps is not kept",
        )
