"""What our trainers add to the Hugging Face one: progress out, and resuming that is safe.

A checkpoint counts only once it carries our mark, which is written after everything
else; a run killed while saving resumes from the one before.
"""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import (
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

StepListener = Callable[[int, int, Mapping[str, float]], None]
"""(steps done, steps in all, metrics of the latest log) -> None."""

_MARK = "complete"


def resumable_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint in `folder`, removing unfinished ones."""
    complete = []
    for checkpoint in folder.glob("checkpoint-*"):
        if (checkpoint / _MARK).exists():
            complete.append(checkpoint)
        else:
            shutil.rmtree(checkpoint)
    return max(complete, key=_step_of, default=None)


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rsplit("-", 1)[1])


class TrainerHooks(TrainerCallback):  # type: ignore[misc]  # transformers' class is untyped
    """Marks finished checkpoints and reports progress."""

    def __init__(self, listener: StepListener | None) -> None:
        self._listener = listener
        self._metrics: dict[str, float] = {}

    def on_save(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # whatever the trainer passes
    ) -> None:
        """Mark the checkpoint that was just written as complete."""
        (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _MARK).touch()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: Mapping[str, float] | None = None,
        **kwargs: Any,  # whatever the trainer passes
    ) -> None:
        """Keep the latest metrics."""
        self._metrics.update(logs or {})

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,  # whatever the trainer passes
    ) -> None:
        """Tell the listener."""
        if self._listener is not None:
            self._listener(state.global_step, state.max_steps, self._metrics)
