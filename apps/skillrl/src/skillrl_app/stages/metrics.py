"""metrics.jsonl: one record per RL iteration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from skillrl_app.run_directory import RunDirectory
from skillrl_envs.jsonl import read_jsonl


@dataclass(frozen=True, slots=True, kw_only=True)
class IterationMetrics:
    """How one iteration's episodes went, before they were learned from."""

    schema_version: ClassVar[int] = 1

    iteration: int
    episodes: int
    wins: int
    invalid_rate: float
    """Share of replies that were not admissible actions."""
    rows: int
    """Steps that carried an advantage."""
    bank_revision: int | None
    success_by_category: Mapping[str, float]


def metrics_file(run: RunDirectory) -> Path:
    """Return the file that holds them."""
    return run.path / "metrics.jsonl"


def read_metrics(run: RunDirectory) -> list[IterationMetrics]:
    """Return one record per iteration; of one played in two sittings, the later."""
    records = {
        record.iteration: record for record in read_jsonl(IterationMetrics, metrics_file(run))
    }
    return [records[iteration] for iteration in sorted(records)]
