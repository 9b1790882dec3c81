"""Kills everything about an embedded bank, again and again, while processes write to it.

    uv run python benchmarks/bank_kills.py [--kills 100] [--seed 0] [--user NAME]

Writers add skills without pause and note each id once `add` has returned: acknowledged.
Postmaster, writers and supervisor get SIGKILL at random moments, a quarter of the time
before the last kill is healed. Every 20 kills all writers die at once: the server must end
within 30 s by itself, the bank must open again, and every acknowledged skill must be in it.

Run by root it is root's bank (pointer and cluster under a home of its own). With --user,
root starts it again as that user (setuid of a child; --python names one that the user can
run), and the bank is an ordinary user's. Ends with 1 if anything failed.
"""

import argparse
import os
import platform
import pwd
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import skillbank
from skillbank import Provenance, ServerError, SkillBank, SkillDraft
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.layout import find_layout
from skillbank.embedded.locks import is_held

ROUND = 20
"""Kills between two deaths of all writers."""
SUPERVISORS = 10
"""One kill in so many is of the supervisor; half of the others are of the postmaster."""
BURST = 0.25
"""Share of kills whose healing is not waited for."""
END_SECONDS = 30.0
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Acknowledged:
    """One skill that `add` has returned, and when that call began and ended (monotonic, s)."""

    skill_id: str
    began: float
    ended: float


class Writer:
    """A process that adds skills, and what it has noted so far."""

    def __init__(self, bank: Path, notes: Path) -> None:
        notes.touch()
        self._notes = notes.open(encoding="ascii")
        self.read: list[Acknowledged] = []
        self._rest = ""
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--write-to", str(bank), "--notes", str(notes)],
            stderr=subprocess.DEVNULL,  # the pool's complaints about every kill
        )

    def acknowledged(self) -> list[Acknowledged]:
        *whole, self._rest = (self._rest + self._notes.read()).split("\n")
        for line in whole:
            one, began, ended = line.split()
            self.read.append(Acknowledged(one, float(began), float(ended)))
        return self.read

    def first_after(self, moment: float) -> float | None:
        """When the first call that began after `moment` had returned."""
        notes = self.acknowledged()
        first = bisect_right(notes, moment, key=lambda note: note.began)
        return notes[first].ended if first < len(notes) else None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.acknowledged()
        self._notes.close()


@dataclass
class Findings:
    """What the run is about."""

    healed: dict[str, list[float]] = field(default_factory=dict)
    """Kind of kill -> seconds until every surviving writer had written again."""
    kills: dict[str, int] = field(default_factory=dict)
    ended: list[float] = field(default_factory=list)
    """Seconds from the last writer's death to the server's end."""
    opened: list[float] = field(default_factory=list)
    """Seconds of the open after that."""
    servers_left: int = 0
    lost: int = 0
    acknowledged: int = 0

    def table(self) -> str:
        rows = [f"{'killed':12} {'kills':>5} {'waited for':>10} {'median s':>9} {'longest s':>9}"]
        for kind, number in sorted(self.kills.items()):
            waits = sorted(self.healed.get(kind, []))
            times = f"{waits[len(waits) // 2]:9.2f} {waits[-1]:9.2f}" if waits else ""
            rows.append(f"{kind:12} {number:5d} {len(waits):10d} {times}")
        rows += [
            f"acknowledged writes {self.acknowledged}, lost {self.lost}",
            f"all writers killed {len(self.ended)} times: server ended after at most "
            f"{max(self.ended):.1f} s, servers left after {END_SECONDS:.0f} s: {self.servers_left}",
            f"the next open took at most {max(self.opened):.2f} s",
        ]
        return "\n".join(rows)


class Trial:
    """A bank, its writers, and somebody who kills."""

    def __init__(self, place: Path, *, seed: int, writers: int) -> None:
        self._bank = place / "bank"
        self._place = place
        self._rng = random.Random(seed)
        self._wanted = writers
        self._writers: list[Writer] = []
        self._dead: list[Writer] = []
        self.findings = Findings()

    def run(self, kills: int) -> None:
        kinds = ["supervisor"] * (kills // SUPERVISORS)
        kinds += [("postmaster", "client")[n % 2] for n in range(kills - len(kinds))]
        self._rng.shuffle(kinds)
        SkillBank.open(self._bank).close()
        layout = find_layout(self._bank)
        assert layout is not None
        self._layout = layout
        try:
            for start in range(0, kills, ROUND):
                self._round(kinds[start : start + ROUND])
        finally:
            for writer in self._writers:
                writer.kill()
            self._wait(lambda: not self._is_alive(), "the server does not end")

    def _round(self, kinds: list[str]) -> None:
        self._replace_writers()
        self._wait(partial(self._all_wrote_since, 0.0), "no writer gets to write")
        for number, kind in enumerate(kinds):
            time.sleep(self._rng.uniform(0.0, 1.0))
            moment = self._kill(kind)
            if self._rng.random() >= BURST or number == len(kinds) - 1:
                self._wait(partial(self._all_wrote_since, moment), f"{kind}: does not heal")
                times = [writer.first_after(moment) or 0.0 for writer in self._writers]
                self.findings.healed.setdefault(kind, []).append(max(times) - moment)
            self._replace_writers()
        self._end_round()

    def _kill(self, kind: str) -> float:
        self.findings.kills[kind] = self.findings.kills.get(kind, 0) + 1
        if kind == "client":
            writer = self._writers.pop(self._rng.randrange(len(self._writers)))
            self._bury(writer)
            return time.monotonic()
        find = self._postmaster if kind == "postmaster" else self._supervisor
        self._wait(lambda: find() is not None, f"there is no {kind}")
        number = find()
        moment = time.monotonic()
        if number is not None:
            os.kill(number, signal.SIGKILL)
        return moment

    def _end_round(self) -> None:
        while self._writers:
            self._bury(self._writers.pop())
        start = time.monotonic()
        while self._is_alive() and time.monotonic() - start < END_SECONDS:
            time.sleep(0.05)
        self.findings.ended.append(time.monotonic() - start)
        self.findings.servers_left += self._is_alive()
        start = time.monotonic()
        with SkillBank.open(self._bank) as bank:
            self.findings.opened.append(time.monotonic() - start)
            kept = {skill.id for skill in bank.skills(status=None)}
        noted = [note.skill_id for writer in self._dead for note in writer.read]
        self.findings.acknowledged = len(noted)
        self.findings.lost = len(set(noted) - kept)

    def _bury(self, writer: Writer) -> None:
        writer.kill()
        self._dead.append(writer)

    def _replace_writers(self) -> None:
        while len(self._writers) < self._wanted:
            notes = self._place / f"writer-{len(self._dead) + len(self._writers)}"
            self._writers.append(Writer(self._bank, notes))

    def _all_wrote_since(self, moment: float) -> bool:
        return all(writer.first_after(moment) is not None for writer in self._writers)

    def _wait(self, fact: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not fact():
            if time.monotonic() > deadline:
                raise SystemExit(f"{problem}\n{self._layout.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def _is_alive(self) -> bool:
        locked = is_held(self._layout.server) or is_held(self._layout.supervisor)
        data = str(self._layout.data)
        return locked or any(data in command for _, _, command in processes())

    def _postmaster(self) -> int | None:
        return self._eldest("postgres -D")

    def _supervisor(self) -> int | None:
        return self._eldest("supervisor.py")  # the standby is its child

    def _eldest(self, part: str) -> int | None:
        data = str(self._layout.data)
        found = {
            number: parent
            for number, parent, command in processes()
            if part in command and data in command
        }
        return next((number for number, parent in found.items() if parent not in found), None)


def processes() -> list[tuple[int, int, str]]:
    """Number, parent and command line of every process."""
    told = subprocess.run(
        ["ps", "-axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in told.stdout.splitlines()]
    return [(int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3]


def write(directory: Path, notes: Path) -> None:
    """Add skills for ever; the bank stays open whatever happens to its server."""
    with notes.open("a", encoding="ascii") as log, open_whenever(directory) as bank:
        for number in count():
            title = f"{notes.name} number {number}"
            began, skill_id = add_whenever(bank, title)
            print(skill_id, began, time.monotonic(), file=log, flush=True)
            time.sleep(0.01)


def open_whenever(directory: Path) -> SkillBank:
    while True:
        try:
            return SkillBank.open(directory)
        except ServerError:
            time.sleep(0.05)


def add_whenever(bank: SkillBank, title: str) -> tuple[float, str]:
    """Return when the call that succeeded began, and the skill's id."""
    draft = SkillDraft(
        title=title,
        principle=f"What {title} says.",
        when_to_apply="always",
        kind="general",
        provenance=Provenance(source="manual"),
    )
    while True:
        began = time.monotonic()
        try:
            return began, bank.add([draft], key=title)[0].id
        except ServerError:
            time.sleep(0.05)


def run_as(user: str, python: str, arguments: list[str]) -> int:
    """Run this script as another user, in a directory of theirs; return its exit status."""
    account = pwd.getpwnam(user)
    place = Path(tempfile.mkdtemp(prefix="kills-"))
    os.chown(place, account.pw_uid, account.pw_gid)
    paths = [sysconfig.get_path("purelib"), str(Path(skillbank.__file__).parent.parent)]
    try:
        return subprocess.run(
            [python, "-B", __file__, "--place", str(place), *arguments],
            env={"PYTHONPATH": os.pathsep.join(paths), "PATH": "/usr/bin:/bin"},
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
        ).returncode
    finally:
        shutil.rmtree(place)


def run(place: Path, *, kills: int, seed: int, writers: int) -> int:
    """Run the trial and print what was found; return the exit status."""
    if os.geteuid() == 0:
        place.chmod(0o755)
        os.environ[HOME_VARIABLE] = str(place / "home")
    trial = Trial(place, seed=seed, writers=writers)
    start = time.monotonic()
    trial.run(kills)
    print(
        f"{kills} kills, seed {seed}, {writers} writers, "
        f"as {pwd.getpwuid(os.geteuid()).pw_name}, {time.monotonic() - start:.0f} s; "
        f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    )
    print(trial.findings.table(), flush=True)
    return int(trial.findings.lost + trial.findings.servers_left > 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--writers", type=int, default=4)
    parser.add_argument("--place", type=Path, help="an empty directory for everything")
    parser.add_argument("--user", help="run as this user; needs root")
    parser.add_argument("--python", default=sys.executable, help="one that --user can run")
    parser.add_argument("--write-to", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--notes", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.write_to is not None:
        write(asked.write_to, asked.notes)
    numbers = {"kills": asked.kills, "seed": asked.seed, "writers": asked.writers}
    if asked.user is not None:
        flags = [f"--{name}={number}" for name, number in numbers.items()]
        return run_as(asked.user, asked.python, flags)
    if asked.place is not None:
        return run(asked.place.resolve(), **numbers)
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        return run(Path(place).resolve(), **numbers)


if __name__ == "__main__":
    sys.exit(main())
