"""An embedded server through every death and interruption we could think of."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from tests.fix_embedded import (
    cut_the_power,
    draft,
    half_made_in,
    have_both_supervisors,
    is_alive,
    postmaster_of,
    processes,
    supervisors_of,
    wait_for,
)

from skillbank import ServerError, SkillBank
from skillbank.embedded import server as server_module
from skillbank.embedded.layout import Layout
from skillbank.embedded.server import OWNER_ROLE, EmbeddedServer

LayoutOf = Callable[[Path], Layout]
WaitUntilEnded = Callable[[Path, float], bool]

pytestmark = pytest.mark.skipif(shutil.which("ps") is None, reason="finds processes with ps")

CLIENT = """
import sys
from skillbank import Provenance, SkillBank, SkillDraft
with SkillBank.open(sys.argv[1]) as bank:
    for number in range(10**9):
        bank.add([SkillDraft(title=f"{number}", principle="p", when_to_apply="w", kind="general",
                             provenance=Provenance(source="manual"))])
        if number == 0:
            print("open", flush=True)
"""

FORK = """
import os, sys
from skillbank import BankInUse, Provenance, SkillBank, SkillDraft
bank = SkillBank.open(sys.argv[1])
bank.add([SkillDraft(title="kept", principle="p", when_to_apply="w", kind="general",
                     provenance=Provenance(source="manual"))])
child = os.fork()
if child == 0:
    try:
        bank.skills()
    except BankInUse as err:
        print(err)
        sys.exit(7)  # a full exit, with every destructor and exit handler
    sys.exit(8)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
assert [skill.title for skill in bank.skills()] == ["kept"]
bank.close()
"""


@pytest.fixture
def start_client(
    fresh_directory: Path, bank_environment: dict[str, str]
) -> Iterator[Callable[[], "subprocess.Popen[str]"]]:
    """() -> a process that writes to the bank for ever, in a group of its own."""
    started = []

    def start() -> "subprocess.Popen[str]":
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT, str(fresh_directory)],
            env=bank_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(client)
        return client

    yield start
    for client in started:
        client.kill()
        client.communicate()


StartClient = Callable[[], "subprocess.Popen[str]"]


def until_open(client: "subprocess.Popen[str]") -> None:
    assert client.stdout is not None
    assert client.stdout.readline() == "open\n"


def works(bank: SkillBank) -> bool:
    try:
        return bank.revision >= 0
    except ServerError:
        return False


@contextmanager
def stopped(numbers: list[int]) -> Iterator[None]:
    for number in numbers:
        os.kill(number, signal.SIGSTOP)
    try:
        yield
    finally:
        for number in numbers:
            os.kill(number, signal.SIGCONT)


def restarted_after(first: int, layout: Layout) -> Callable[[], bool]:
    def fact() -> bool:
        try:
            return postmaster_of(layout) != first
        except (OSError, ValueError):
            return False

    return fact


def half_made(directory: Path) -> list[Path]:
    folders = (directory.parent, directory.parent / "home" / "databases")
    return [path for folder in folders for path in half_made_in(folder)]


def test_a_killed_server_comes_back_under_its_clients(
    fresh_directory: Path, layout_of: LayoutOf, wait_until_ended: WaitUntilEnded
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        layout = layout_of(fresh_directory)
        for title in ("one", "two"):
            added = bank.add([draft(title)])
            first = postmaster_of(layout)
            os.kill(first, signal.SIGKILL)
            assert wait_for(restarted_after(first, layout), seconds=60)
            assert wait_for(lambda: works(bank), seconds=60)
            assert bank.skills()[-1:] == added
    assert wait_until_ended(fresh_directory, 30)


PID_FILES = {
    "its own": None,
    "of a living stranger": f"{os.getpid()}\n/elsewhere\n1\n5432\n\n\n  1  1\n",
    "empty": "",
    "cut off": "12",
    "garbage": "\0\0\0",
}


def test_a_machine_that_lost_power_opens_its_banks_whatever_the_pid_file_says(
    fresh_directory: Path, layout_of: LayoutOf
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
    for name, text in PID_FILES.items():
        with SkillBank.open(fresh_directory) as bank:
            assert bank.skills() == added, name
            layout = layout_of(fresh_directory)
            assert wait_for(lambda: have_both_supervisors(layout_of(fresh_directory)), seconds=30)
            cut_the_power(layout)
            if text is not None:
                (layout.data / "postmaster.pid").write_text(text, encoding="ascii")
    with SkillBank.open(fresh_directory) as bank:
        assert bank.skills() == added


def test_a_killed_supervisor_is_replaced_by_its_standby(
    fresh_directory: Path, layout_of: LayoutOf, wait_until_ended: WaitUntilEnded
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
        layout = layout_of(fresh_directory)
        for _ in range(3):
            assert wait_for(lambda: have_both_supervisors(layout_of(fresh_directory)), seconds=30)
            active, standby = supervisors_of(layout)
            first = postmaster_of(layout)
            os.kill(active, signal.SIGKILL)
            assert wait_for(restarted_after(first, layout), seconds=60)
            assert wait_for(lambda: works(bank), seconds=60)
            assert bank.skills() == added
            assert supervisors_of(layout)[0] == standby
    assert wait_until_ended(fresh_directory, 30)


def test_a_killed_standby_is_replaced_and_nobody_notices(
    fresh_directory: Path, layout_of: LayoutOf
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        layout = layout_of(fresh_directory)
        assert wait_for(lambda: have_both_supervisors(layout), seconds=30)
        (active, standby), first = supervisors_of(layout), postmaster_of(layout)
        os.kill(standby, signal.SIGKILL)
        assert wait_for(lambda: supervisors_of(layout)[1:] not in ([], [standby]), seconds=30)
        assert (supervisors_of(layout)[0], postmaster_of(layout)) == (active, first)
        assert bank.revision == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of this death")
def test_a_server_that_lost_both_supervisors_ends_and_the_next_opener_starts_it(
    fresh_directory: Path, layout_of: LayoutOf, start_client: StartClient
) -> None:
    client = start_client()
    until_open(client)
    layout = layout_of(fresh_directory)
    assert wait_for(lambda: have_both_supervisors(layout), seconds=30)
    pair = supervisors_of(layout)
    for deadly in (signal.SIGSTOP, signal.SIGKILL):
        for number in pair:
            os.kill(number, deadly)
    client.kill()
    assert wait_for(lambda: not is_alive(layout), seconds=30)
    with SkillBank.open(fresh_directory) as bank:
        assert bank.revision > 0


def test_recovery_may_take_longer_than_a_server_may_be_silent(
    fresh_directory: Path, layout_of: LayoutOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    def open_it() -> None:
        with SkillBank.open(fresh_directory) as bank:
            opened.append(bank.revision)

    with SkillBank.open(fresh_directory) as bank:
        bank.add([draft("kept")])
        layout = layout_of(fresh_directory)
        assert wait_for(lambda: have_both_supervisors(layout), seconds=30)
        write_much(fresh_directory, rows=600_000)
        cut_the_power(layout)
    monkeypatch.setattr(server_module, "_SILENT_SECONDS", 4.0)
    opener = threading.Thread(target=open_it)
    opener.start()
    found: list[int] = []

    def recovering() -> bool:
        servers = {p.number for p in processes() if f"-D {layout.data}" in p.command}
        found[:] = [
            process.number
            for process in processes()
            if process.parent in servers and "postgres: startup recovering" in process.command
        ]
        return bool(found) or not opener.is_alive()

    assert wait_for(recovering, seconds=60)
    assert found, "recovery was too fast to be caught"
    with stopped(found):
        time.sleep(8)
        assert opener.is_alive()
    opener.join(60)
    assert opened == [1]


def write_much(directory: Path, rows: int) -> None:
    """Fill the write-ahead log, which recovery has to replay."""
    server = EmbeddedServer.open(directory)
    try:
        with psycopg.connect(server.conninfo(OWNER_ROLE), autocommit=True) as connection:
            connection.execute("create table skillbank.much (a int, b text)")
            connection.execute(
                "insert into skillbank.much select n, md5(n::text) from generate_series(1, %s) n",
                (rows,),
            )
    finally:
        server.close()


def test_a_forked_child_is_told_and_its_exit_harms_nobody(
    fresh_directory: Path, bank_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, str(fresh_directory)],
        env=bank_environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "open it again in each forked process" in done.stdout


def test_ctrl_c_while_a_bank_is_made_leaves_nothing(
    fresh_directory: Path, bank_environment: dict[str, str], start_client: StartClient
) -> None:
    client = start_client()

    def is_filled() -> bool:
        return any((path / "data" / "PG_VERSION").exists() for path in half_made(fresh_directory))

    assert wait_for(is_filled, seconds=60)
    os.killpg(client.pid, signal.SIGINT)
    assert "KeyboardInterrupt" in client.communicate()[1]
    assert not fresh_directory.exists()
    assert half_made(fresh_directory) == []
    here = str(fresh_directory.parent / "home" / "databases" / ".new")
    assert [p for p in processes() if here in p.command] == []


@pytest.mark.parametrize("seconds", [0.2, 0.3, 0.4, 0.5, 0.7])
def test_ctrl_c_while_a_bank_is_opened_harms_nobody(
    fresh_directory: Path, layout_of: LayoutOf, start_client: StartClient, seconds: float
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
        layout = layout_of(fresh_directory)
        assert wait_for(lambda: have_both_supervisors(layout), seconds=30)
        cut_the_power(layout)
    client = start_client()
    time.sleep(seconds)
    os.killpg(client.pid, signal.SIGINT)
    client.communicate()
    assert client.returncode not in (None, 0)
    with SkillBank.open(fresh_directory) as bank:
        assert bank.skills()[:1] == added


def test_ctrl_c_during_a_write_reaches_no_server(
    fresh_directory: Path, layout_of: LayoutOf, start_client: StartClient
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        layout = layout_of(fresh_directory)
        client = start_client()
        until_open(client)
        first = postmaster_of(layout)
        assert wait_for(lambda: bank.revision > 5, seconds=30)
        os.killpg(client.pid, signal.SIGINT)
        assert "KeyboardInterrupt" in client.communicate()[1]
        revision = bank.revision
        assert len(bank.skills()) == revision
        bank.add([draft("after")])
        assert (bank.revision, postmaster_of(layout)) == (revision + 1, first)


def test_what_a_killed_creation_leaves_is_deleted_by_a_later_one(
    fresh_directory: Path, start_client: StartClient
) -> None:
    client = start_client()
    assert wait_for(lambda: bool(half_made(fresh_directory)), seconds=60)
    client.kill()
    client.communicate()
    left = half_made(fresh_directory)
    assert left
    assert not fresh_directory.exists()
    here = tuple(map(str, left))
    assert wait_for(
        lambda: not any(path in process.command for process in processes() for path in here),
        seconds=60,
    )
    with SkillBank.open(fresh_directory) as bank:  # so soon after it might be in the making
        assert bank.revision == 0
    assert half_made(fresh_directory) == left
    for path in left:
        os.utime(path, (1, 1))
    SkillBank.open(fresh_directory.with_name(f"{fresh_directory.name}-2")).close()
    assert half_made(fresh_directory) == []
