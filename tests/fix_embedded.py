"""What the tests of the embedded server share: its processes, and how to wait for a fact."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from skillbank import Provenance, SkillDraft
from skillbank.embedded.layout import Layout
from skillbank.embedded.locks import is_held


def draft(title: str) -> SkillDraft:
    return SkillDraft(
        title=title,
        principle="p",
        when_to_apply="w",
        kind="general",
        provenance=Provenance(source="manual"),
    )


def wait_for(fact: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it has come true by then."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Process(NamedTuple):
    """A line of ps."""

    number: int
    parent: int
    command: str


def processes() -> list[Process]:
    told = subprocess.run(
        ["ps", "-axww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in told.stdout.splitlines()]
    return [Process(int(row[0]), int(row[1]), row[2]) for row in rows if len(row) == 3]


def postmaster_of(layout: Layout) -> int:
    return int((layout.data / "postmaster.pid").read_text(encoding="ascii").split("\n")[0])


def supervisors_of(layout: Layout) -> list[int]:
    """The supervisor and its standby, in this order."""
    all_of_it = {
        process.number: process.parent
        for process in processes()
        if "supervisor.py" in process.command and str(layout.data) in process.command
    }
    return sorted(all_of_it, key=lambda number: all_of_it[number] in all_of_it)


def have_both_supervisors(layout: Layout) -> bool:
    return len(supervisors_of(layout)) == 2


def cut_the_power(layout: Layout) -> None:
    """Kill everything of a server at once, so that nothing can answer the other's death."""
    pair = supervisors_of(layout)
    for number in pair:
        os.kill(number, signal.SIGSTOP)
    os.kill(postmaster_of(layout), signal.SIGKILL)
    for number in pair:
        os.kill(number, signal.SIGKILL)
    assert wait_for(lambda: not is_alive(layout), seconds=30)


def is_alive(layout: Layout) -> bool:
    return is_held(layout.server) or is_held(layout.supervisor)


def half_made_in(folder: Path) -> list[Path]:
    return sorted(folder.glob(".new-bank-*"))
