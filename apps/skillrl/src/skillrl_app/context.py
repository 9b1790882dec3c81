"""RunContext: the open parts of a run that its stages share."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skillbank import SkillBank
from skillbank.embedders import embedder_from
from skillrl_app.config import RunConfig
from skillrl_app.console import Console
from skillrl_app.journal import Journal, Unit
from skillrl_app.ledger import Ledger
from skillrl_app.methods import METHODS
from skillrl_app.run_directory import RunDirectory
from skillrl_app.skills import BankSkills
from skillrl_distiller import LitellmTeacher, OfflineTeacher, RecordingTeacher, Teacher
from skillrl_envs.alfworld import AlfworldEnv, CompactPrompt
from skillrl_envs.prompt import PromptFormat, WindowPrompt
from skillrl_envs.task import Task


@dataclass(slots=True)
class RunContext:
    """Everything a stage needs. Open it with `open_context`."""

    run: RunDirectory
    journal: Journal
    ledger: Ledger
    console: Console
    _bank: SkillBank | None = field(default=None)

    @property
    def config(self) -> RunConfig:
        """The resolved configuration."""
        return self.run.config

    @property
    def run_id(self) -> str:
        """Identifies this run in a bank and in reports."""
        return self.run.manifest.run_id

    @property
    def uses_skills(self) -> bool:
        """Whether this run has a bank at all."""
        return METHODS[self.config.method].uses_skills

    @property
    def bank(self) -> SkillBank:
        """The run's skill bank; its server starts at the first use."""
        if self._bank is None:
            spec = self.config.skills.embedder
            embedder = None if spec is None else embedder_from(spec)
            self._bank = SkillBank.open(self.run.path / "bank", embedder=embedder)
        return self._bank

    def unit(self, name: str, work: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Return the result of a unit of work, doing it only if the journal has none."""
        if name not in self.journal:
            start = time.monotonic()
            with self.ledger.cpu_time(name.split("/", 1)[0], f"{self.run_id}/{name}"):
                result = work()
            seconds = round(time.monotonic() - start, 3)
            self.journal.finish(Unit(name=name, seconds=seconds, result=result))
        return self.journal[name].result

    def make_env(self, task: Task) -> AlfworldEnv:
        """Return an environment that can play `task`."""
        return AlfworldEnv(self.config.env.data)

    def instruction(self, task: Task) -> str:
        """Return a task's sentence."""
        env = self.make_env(task)
        env.reset(task)
        return env.instruction

    def prompt(self) -> PromptFormat:
        """Return the prompt format that the whole run plays and trains with."""
        if self.config.prompt.format == "compact":
            return CompactPrompt()
        return WindowPrompt("an expert agent in a household, acting through text commands")

    def skills_at(self, revision: int, withhold: float) -> BankSkills:
        """Return a skill source for a bank revision."""
        return BankSkills(
            self.bank,
            self.config.skills.retrieval,
            revision=revision,
            withhold=withhold,
            style="plain" if self.config.prompt.format == "compact" else "markdown",
            instruction=self.instruction,
        )

    def newest_revision(self) -> int:
        """Return the bank revision that the journal's last change left, not the bank's own.

        A change that was made but not journaled is made again under its key; until then
        it must not be seen.
        """
        revisions = [
            int(unit.result["revision"])
            for unit in self.journal.units()
            if unit.name == "distill" or unit.name.startswith("evolve/")
        ]
        return max(revisions, default=0)

    def teacher(self) -> Teacher:
        """Return the configured teacher, every call of it recorded in the run directory."""
        settings = self.config.teacher
        inner: Teacher
        if settings.model == "offline":
            inner = OfflineTeacher()
        else:
            inner = LitellmTeacher(
                settings.model, api_key_env=settings.api_key_env, api_base=settings.api_base
            )
        return RecordingTeacher(
            inner, settings.recording or self.run.path / "teacher.jsonl", mode=settings.mode
        )

    def close(self) -> None:
        """Close the bank, the journal and the ledger."""
        if self._bank is not None:
            self._bank.close()
            self._bank = None
        self.journal.close()
        self.ledger.close()


@contextmanager
def open_context(run: RunDirectory, console: Console) -> Iterator[RunContext]:
    """Open the parts of a run, and close them whatever happens."""
    path: Path = run.path
    context = RunContext(
        run, Journal(path / "journal.jsonl"), Ledger(path / "ledger.jsonl"), console
    )
    try:
        yield context
    finally:
        context.close()
