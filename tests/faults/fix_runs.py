"""Runs of the real command line, each in a process of its own.

The processes are forked from a server that has torch and trl imported already, which
takes longer than a whole tiny run. Nothing else in them is shared: they are killed,
interrupted and limited like any other.
"""

import json
import multiprocessing
import os
import resource
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from signal import SIGKILL
from typing import Any

import pytest
from tests.fix_bank import WaitUntilEnded

_FORKS = multiprocessing.get_context("forkserver")
_PRELOADED = [
    "skillrl_app.cli",
    "skillrl_app.commands",
    "skillrl_app.pipeline",
    "trl.trainer.grpo_trainer",
    "trl.trainer.sft_trainer",
]

TINY = (
    "env.categories=[pick_and_place_simple]",
    "env.eval_games=8",
    "env.max_invalid=null",
    "collect.episodes=150",
    "collect.noise=0.05",
    "sft.steps=150",
    "sft.save_every=30",
    "sft.batch_size=32",
    "sft.learning_rate=0.008",
    "rollouts.groups=3",
    "rollouts.group_size=4",
    "rl.iterations=3",
    "rl.temperature=0.5",
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


class App:
    """Starts commands, and knows where their runs may be."""

    def __init__(self, root: Path, environment: Mapping[str, str]) -> None:
        self._root, self._environment = root, environment

    def new_run(self) -> Path:
        """A path for a run that is not there yet."""
        return self._root / f"run-{uuid.uuid4().hex[:8]}"

    def start(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        file_size: int | None = None,
    ) -> Running:
        folder = self._root / f"out-{uuid.uuid4().hex[:8]}"
        folder.mkdir()
        return Running(
            [str(argument) for argument in arguments],
            folder,
            {**self._environment, **(environment or {})},
            file_size,
        )

    def __call__(
        self,
        *arguments: str | Path,
        environment: Mapping[str, str] | None = None,
        file_size: int | None = None,
    ) -> Ended:
        return self.start(*arguments, environment=environment, file_size=file_size).wait()

    def script(self, *arguments: str | Path) -> Ended:
        """Call the installed script, as a user does."""
        done = subprocess.run(
            [Path(sys.executable).with_name("skillrl"), *arguments],
            capture_output=True,
            text=True,
            env=dict(self._environment),
            timeout=300,
        )
        return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def app(bank_root: Path, wait_until_ended: WaitUntilEnded) -> Iterator[App]:
    with pytest.MonkeyPatch.context() as patch:
        # Two processes on two cores would mostly wait for each other's threads.
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.delenv("ALFWORLD_DATA", raising=False)
        for quiet in ("HF_HUB_DISABLE_PROGRESS_BARS", "TRL_EXPERIMENTAL_SILENCE"):
            patch.setenv(quiet, "1")
        patch.setenv("TRANSFORMERS_VERBOSITY", "error")
        _FORKS.set_forkserver_preload(_PRELOADED)
        forkserver.ensure_running()
        environment = dict(os.environ)
    yield App(bank_root, environment)
    for bank in bank_root.glob("run-*/bank"):
        if (bank / "skillbank.json").exists():
            assert wait_until_ended(bank, 60), f"{bank} still runs"


@pytest.fixture(scope="session")
def reference(app: App, bank_root: Path) -> Path:
    """A complete run that nothing disturbed, made by the installed script."""
    run = bank_root / "run-reference"
    if not run.exists():  # this file may be loaded by more than one folder
        ended = app.script("run", "quickstart", *TINY, "--run", run)
        assert ended.code == 0, ended.err
        assert ended.err == ""
    return run


def lines(path: Path) -> list[dict[str, Any]]:
    """The records of a JSONL file."""
    return [json.loads(line) for line in complete_lines(path)]


def complete_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    return [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def units(run: Path) -> list[str]:
    """The names in a run's journal."""
    return [unit["name"] for unit in lines(run / "journal.jsonl")]


def played(run: Path) -> dict[str, list[Any]]:
    """What happened in every episode of a run, by file, without what names the run."""
    return {
        path.name: sorted(
            [
                episode["group_id"],
                episode["replica"],
                episode["task"]["id"],
                episode["seed"],
                episode["bank_revision"],
                episode["skills"],
                [(step["observation"], step["reply"], step["action"]) for step in episode["steps"]],
                episode["outcome"],
            ]
            for episode in lines(path)
        )
        for path in (run / "trajectories").iterdir()
    }


def results(run: Path) -> dict[str, Any]:
    """What the journal says each unit came to, without the ids of skills, which are drawn."""
    found = {unit["name"]: unit["result"] for unit in lines(run / "journal.jsonl")}
    for result in found.values():
        for decision in result.get("decisions", []):
            del decision["skill_id"]
    return found


def metrics(run: Path) -> dict[int, dict[str, Any]]:
    """The last record of each iteration."""
    return {record["iteration"]: record for record in lines(run / "metrics.jsonl")}


def wait_for(fact: Callable[[], bool], running: Running, *, seconds: float = 120) -> None:
    """Return as soon as `fact` holds; it must come about while `running` lives."""
    deadline = time.monotonic() + seconds
    while not fact():
        if not running.is_alive and not fact():
            raise AssertionError(f"it ended first: {running.wait()}")
        assert time.monotonic() < deadline
        time.sleep(0.002)
