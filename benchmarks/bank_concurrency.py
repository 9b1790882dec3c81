"""Many writers and readers of one bank in a directory, in several processes.

    uv run python benchmarks/bank_concurrency.py [--seconds 60] [--writers 32] [--readers 32]

Every write is about a pair of skills, left and right, that are added, revised and retired
together, by optimistic locking on the revision last read. Readers look for halves of a pair,
compare what they read with the same revision read again, and use every mode of search.

Checked at the end: every acknowledged write is in the history exactly once and nothing else
is; the bank's revision is the number of acknowledged writes; none of them was decided on a
state that somebody had changed meanwhile; no call failed but by a declared conflict. Ends
with status 1 where one of these does not hold.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from skillbank import (
    Citation,
    Conflict,
    Proposal,
    Provenance,
    RetrievalSettings,
    Skill,
    SkillBank,
    SkillDraft,
)
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedders import HashingEmbedder
from skillbank.retrieval import Mode

RESULTS = Path(__file__).parent / "results" / "bank_concurrency.txt"
NAME = "shared"
EMBEDDER = HashingEmbedder(64)
CITED = (Citation(trajectory_id="benchmark"),)
PAIRS = 40
"""About so many pairs are alive at a time."""
WORDS = ("apple", "basin", "cabinet", "drawer", "fridge", "knife", "lamp", "mug", "plate", "shelf")
MODES: tuple[Mode, ...] = ("template", "text", "embedding", "hybrid")


class Move(NamedTuple):
    """An acknowledged write."""

    revision: int
    """The one it made."""
    base: int | None
    """The one it was decided on; None for an addition."""
    marks: list[str]
    """What the history has of it: the skills that were added, else the changes' reasons."""


@dataclass
class Log:
    """What the threads of one process saw; each appends to it, which is atomic."""

    moves: list[Move] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    conflicts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[what].append(time.perf_counter() - start)


def half(pair: str, side: str, text: str) -> SkillDraft:
    return SkillDraft(
        title=f"{pair} {side}",
        principle=text,
        when_to_apply="always",
        kind="general",
        provenance=Provenance(source="manual"),
    )


def pairs_of(skills: Iterable[Skill]) -> dict[str, dict[str, Skill]]:
    """Pair -> side -> skill."""
    found: dict[str, dict[str, Skill]] = defaultdict(dict)
    for skill in skills:
        pair, side = skill.title.split()
        found[pair][side] = skill
    return found


def broken(skills: Iterable[Skill]) -> list[str]:
    """The pairs that are not whole, or whose halves are of different writes."""
    return [
        pair
        for pair, sides in pairs_of(skills).items()
        if len(sides) != 2 or len({skill.principle for skill in sides.values()}) != 1
    ]


class Writer:
    """Adds, revises and retires pairs, and sometimes asks again as after a lost answer."""

    def __init__(self, bank: SkillBank, log: Log, name: str) -> None:
        self._bank = bank
        self._log = log
        self._name = name
        self._rng = random.Random(name)
        self._count = 0

    def step(self) -> None:
        self._count += 1
        revision = self._bank.revision
        alive = pairs_of(self._bank.skills(revision=revision))
        kinds = ["add", "revise", "revise", "retire"] if len(alive) > PAIRS else ["add", "revise"]
        action = self._rng.choice(kinds) if alive else "add"
        if action == "add":
            self._add()
        else:
            pair = self._rng.choice(list(alive))
            self._change(action, pair, list(alive[pair].values()), revision)

    def _text(self) -> str:
        words = " ".join(self._rng.choices(WORDS, k=6))
        return f"{words}, {self._name}, {self._count}."

    def _add(self) -> None:
        pair, text = f"{self._name}-{self._count}", self._text()
        drafts = [half(pair, side, text) for side in ("left", "right")]
        with self._log.timed("add"):
            made = self._bank.add(drafts, key=f"add {pair}")
        self._log.moves.append(Move(made[0].created_revision, None, [s.id for s in made]))
        if self._rng.random() < 0.1 and self._bank.add(drafts, key=f"add {pair}") != made:
            self._log.wrong.append(f"the key of {pair} gave another answer")

    def _change(self, action: str, pair: str, sides: list[Skill], base: int) -> None:
        reasons = [f"{action} {self._name} {self._count} {side.id}" for side in sides]
        text, key = self._text(), f"change {self._name} {self._count}"
        proposals = [
            Proposal(
                action="revise" if action == "revise" else "retire",
                draft=half(pair, side.title.split()[1], text) if action == "revise" else None,
                targets=(side.id,),
                reason=reason,
                citations=CITED,
            )
            for side, reason in zip(sides, reasons, strict=True)
        ]
        with self._log.timed(action):
            report = self._bank.apply(proposals, base_revision=base, key=key)
        if report.accepted and report.rejected:
            self._log.wrong.append(f"half of {pair} was changed: {report.rejected}")
        elif report.rejected:
            self._log.conflicts[action] += 1
            if not all("was changed at revision" in why for _, why in report.rejected):
                self._log.wrong.append(f"rejected for another reason: {report.rejected}")
        else:
            self._log.moves.append(Move(report.revision, base, reasons))
        again = self._rng.random() < 0.1
        if again and self._bank.apply(proposals, base_revision=base, key=key) != report:
            self._log.wrong.append(f"the key of {reasons} gave another report")


class Reader:
    """Reads in every mode, twice at one revision, and looks for half writes."""

    def __init__(self, bank: SkillBank, log: Log, name: str) -> None:
        self._bank = bank
        self._log = log
        self._rng = random.Random(name)

    def step(self) -> None:
        query = " ".join(self._rng.choices(WORDS, k=3))
        mode = self._rng.choice(MODES)
        settings = RetrievalSettings(mode=mode, k_general=1000, pool=10_000)
        with self._log.timed(f"retrieve {mode}"):
            got = self._bank.retrieve(query, category=None, settings=settings)
        if mode != "text" and (halves := broken(hit.skill for hit in got.hits)):
            self._log.wrong.append(f"half of {halves} at revision {got.revision}")
        pinned = self._bank.retrieve(query, category=None, settings=settings, revision=got.revision)
        if pinned != got:
            self._log.wrong.append(f"revision {got.revision} answers differently, mode {mode}")
        if got.revision > (newest := self._bank.revision):
            self._log.wrong.append(f"revision {got.revision} was read before {newest}")
        self._look_at(self._rng.randint(0, newest))
        with self._log.timed("search"):
            self._bank.search(query, 10, mode="embedding" if newest else "text")

    def _look_at(self, revision: int) -> None:
        with self._log.timed("skills"):
            skills = self._bank.skills(revision=revision)
        if halves := broken(skills):
            self._log.wrong.append(f"half of {halves} in skills at revision {revision}")
        if skills and (skill := self._rng.choice(skills)) not in self._bank.history(skill.id):
            known = [version.version for version in self._bank.history(skill.id)]
            if skill.version not in known:
                self._log.wrong.append(f"{skill.id} version {skill.version} is not in its history")


def run_until(deadline: float, log: Log, step: Callable[[], None]) -> None:
    while time.monotonic() < deadline:
        try:
            step()
        except Conflict as err:
            log.conflicts[str(err)[:40]] += 1
        except Exception:  # noqa: BLE001  # whatever else it is, it is reported
            log.wrong.append(traceback.format_exc()[-1500:])
            return


def work(directory: str, number: int, writers: int, readers: int, seconds: float) -> Log:
    """One process: its threads share a bank, as those of a program would."""
    log = Log()
    with SkillBank.open(directory, name=NAME, embedder=EMBEDDER, screen=None) as bank:
        steps = [Writer(bank, log, f"w{number}.{n}").step for n in range(writers)]
        steps += [Reader(bank, log, f"r{number}.{n}").step for n in range(readers)]
        print("ready", flush=True)
        sys.stdin.readline()
        deadline = time.monotonic() + seconds
        threads = [threading.Thread(target=run_until, args=(deadline, log, step)) for step in steps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return log


def verify(bank: SkillBank, moves: list[Move]) -> list[str]:
    """Compare the bank's history with what the writers were told."""
    wrong: list[str] = []
    revisions = [move.revision for move in moves]
    if sorted(revisions) != list(range(1, bank.revision + 1)):
        wrong.append(f"revision {bank.revision} after {len(moves)} writes: {len(set(revisions))}")
    skills = bank.skills(status=None)
    if halves := broken(bank.skills()):
        wrong.append(f"half of {halves} at the end")
    histories = {skill.id: bank.changes(skill.id) for skill in skills}
    told = Counter(
        change.skill_id if change.action == "add" else change.reason
        for changes in histories.values()
        for change in changes
    )
    expected = Counter(mark for move in moves for mark in move.marks)
    if told != expected:
        wrong.append(f"lost {list(expected - told)[:5]}, unasked for {list(told - expected)[:5]}")
    bases = {mark: move.base for move in moves for mark in move.marks if move.base is not None}
    for id_, changes in histories.items():
        versions = [version.version for version in bank.history(id_)]
        if versions != list(range(1, len(versions) + 1)):
            wrong.append(f"{id_} has the versions {versions}")
        for earlier, later in pairwise(changes):
            if earlier.revision > bases.get(later.reason, later.revision):
                wrong.append(f"{later.reason} overwrote revision {earlier.revision} unseen")
    return wrong


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000


def summary(logs: list[Log], seconds: float, revision: int, shape: str) -> str:
    lines = [
        f"{shape}, {seconds:.0f} s, {os.cpu_count()} cores, load {os.getloadavg()[0]:.0f}: "
        f"revision {revision}"
    ]
    lines.append(
        f"{'operation':<20}{'calls':>8}{'per s':>9}{'p50 ms':>9}{'p95 ms':>9}{'max ms':>9}"
    )
    for name in sorted({name for log in logs for name in log.seconds}):
        values = [value for log in logs for value in log.seconds.get(name, [])]
        lines.append(
            f"{name:<20}{len(values):>8}{len(values) / seconds:>9.1f}"
            f"{percentile(values, 0.5):>9.1f}{percentile(values, 0.95):>9.1f}"
            f"{percentile(values, 1.0):>9.1f}"
        )
    conflicts = sum((Counter(log.conflicts) for log in logs), Counter())
    lines.append(
        "declared conflicts: " + (", ".join(f"{k} {v}" for k, v in conflicts.items()) or "none")
    )
    return "\n".join(lines)


def logs_of(directory: str, options: argparse.Namespace) -> list[Log]:
    """Run the processes side by side and return what each has seen."""
    workers = []
    for number in range(options.processes):
        share = {
            "directory": directory,
            "number": number,
            "writers": len(range(number, options.writers, options.processes)),
            "readers": len(range(number, options.readers, options.processes)),
            "seconds": options.seconds,
        }
        command = [sys.executable, __file__, "--worker", json.dumps(share)]
        pipe = subprocess.PIPE
        workers.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
    for worker in workers:
        if worker.stdout is None or worker.stdout.readline() != "ready\n":
            raise SystemExit("a worker does not start")
    for worker in workers:
        if worker.stdin is not None:
            worker.stdin.write("go\n")
            worker.stdin.flush()
    return [Log(**json.loads(worker.communicate()[0])) for worker in workers]


def play(directory: str, options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the figures, and what went wrong."""
    with SkillBank.open(directory, name=NAME, embedder=EMBEDDER, screen=None) as bank:
        first = Log()
        Writer(bank, first, "w").step()  # somebody has to begin
        logs = [first, *logs_of(directory, options)]
        wrong = [entry for log in logs for entry in log.wrong]
        wrong += verify(bank, [Move(*move) for log in logs for move in log.moves])
        shape = f"{options.writers} writers and {options.readers} readers in "
        shape += f"{options.processes} processes"
        return summary(logs, options.seconds, bank.revision, shape), wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--writers", type=int, default=32)
    parser.add_argument("--readers", type=int, default=32)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--directory", help="a new one; a temporary one unless given")
    parser.add_argument("--results", default=str(RESULTS), help="the file that is written")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        print(json.dumps(vars(work(**json.loads(options.worker)))))
        return 0
    root = Path(tempfile.mkdtemp(prefix="skb-"))
    root.chmod(0o755)  # the server's account has to pass
    os.environ.setdefault(HOME_VARIABLE, str(root / "home"))
    try:
        text, wrong = play(options.directory or str(root / "bank"), options)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(text)
    print(
        "\n".join(sorted(set(wrong))[:10])
        if wrong
        else "nothing lost, nothing half, nothing unseen"
    )
    if not wrong:
        Path(options.results).parent.mkdir(exist_ok=True)
        Path(options.results).write_text(text + "\n", encoding="utf-8")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
