"""Runs of the real command line, each in a process of its own.

The processes are forked from a server that has torch and trl imported already, which
takes longer than a whole tiny run. Nothing else in them is shared: they are killed,
interrupted and limited like any other.
"""

import multiprocessing
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

import pytest

from skillrl_envs.jsonl import read_jsonl
from skillrl_envs.trajectory import Trajectory

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        "skillrl_app.commands",
        "skillrl_app.pipeline",
        "skillrl_envs.trajectory",
        "trl.trainer.grpo_trainer",
        "trl.trainer.sft_trainer",
    ]
)

TINY = (
    "env.categories=[pick_and_place_simple]",
    "env.eval_games=8",
    "collect.episodes=60",
    "sft.steps=40",
    "sft.save_every=10",
    "sft.batch_size=16",
    "sft.warmup_steps=4",
    "rollouts.groups=3",
    "rollouts.group_size=4",
    "rl.iterations=3",
    "rl.steps_per_iteration=2",
    "evolution.every=1",
)
"""A run of seconds that still wins some games and loses others, so that RL has to learn."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What is left of a process."""

    code: int
    out: str
    err: str


class Running:
    """A command that runs."""

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        environment: Mapping[str, str],
        file_size: int | None,
    ) -> None:
        self._folder = folder
        self._process = _FORKS.Process(
            target=_call, args=(list(arguments), str(folder), dict(environment), file_size)
        )
        self._process.start()

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send(SIGKILL)

    def send(self, signal: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, signal)

    def wait(self, seconds: float = 120) -> Ended:
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            self.kill()
            self._process.join()
        out, err = ((self._folder / name).read_text() for name in ("out", "err"))
        assert code is not None, f"still ran after {seconds} s:\n{out}\n{err}"
        self._process.close()
        return Ended(code, out, err)


def _call(
    arguments: list[str], folder: str, environment: dict[str, str], file_size: int | None
) -> None:
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    from skillrl_app.cli import main

    sys.exit(main(arguments))
