"""An embedded server through every death we could think of, and what must be refused."""

import contextlib
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import skillbank
from skillbank import BankInUse, Provenance, ServerError, SkillBank, SkillDraft
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.binaries import MAJOR
from skillbank.embedded.layout import Layout
from skillbank.embedded.locks import is_held

LayoutOf = Callable[[Path], Layout]
WaitUntilEnded = Callable[[Path, float], bool]

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")

ADD_ONE = """
import sys
from skillbank import Provenance, SkillBank, SkillDraft
with SkillBank.open(sys.argv[1]) as bank:
    bank.add([SkillDraft(title=sys.argv[2], principle="p", when_to_apply="w", kind="general",
                         provenance=Provenance(source="manual"))])
    print(len(bank.skills()))
"""

HOLD = """
import os, sys, time
from skillbank import SkillBank
bank = SkillBank.open(sys.argv[1])
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(600)
"""


def draft(title: str) -> SkillDraft:
    return SkillDraft(
        title=title,
        principle="p",
        when_to_apply="w",
        kind="general",
        provenance=Provenance(source="manual"),
    )


def postmaster_of(layout: Layout) -> int:
    return int((layout.data / "postmaster.pid").read_text(encoding="ascii").split("\n")[0])


def parent_of(process: int) -> int:
    told = subprocess.run(["ps", "-o", "ppid=", "-p", str(process)], capture_output=True, text=True)
    return int(told.stdout)


def wait_for(fact: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_the_server_ends_soon_after_the_last_user_and_starts_again(
    fresh_directory: Path, wait_until_ended: WaitUntilEnded
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
    assert wait_until_ended(fresh_directory, 30)
    with SkillBank.open(fresh_directory) as bank:
        assert bank.skills() == added


def test_a_killed_server_starts_again_whatever_its_pid_file_says(
    fresh_directory: Path, layout_of: LayoutOf
) -> None:
    leftovers = {
        "its own": None,
        "of a living stranger": f"{os.getpid()}\n/elsewhere\n1\n5432\n\n\n  1  1\n",
        "empty": "",
        "cut off": "12",
        "garbage": "\0\0\0",
    }
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
    for name, text in leftovers.items():
        with SkillBank.open(fresh_directory) as bank:
            assert bank.skills() == added, name
            layout = layout_of(fresh_directory)
            os.kill(postmaster_of(layout), signal.SIGKILL)
            gone = wait_for(lambda at=layout.server: not is_held(at), seconds=30)  # type: ignore[misc]  # a default argument
            assert gone, name
            if text is not None:
                (layout.data / "postmaster.pid").write_text(text, encoding="ascii")
            with pytest.raises(ServerError, match="cannot be reached"):
                bank.skills()
    with SkillBank.open(fresh_directory) as bank:
        assert bank.skills() == added


@pytest.mark.slow
def test_a_killed_client_leaves_no_server_even_if_its_child_lives(
    fresh_directory: Path, bank_environment: dict[str, str], wait_until_ended: WaitUntilEnded
) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(fresh_directory)],
        env=bank_environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert client.stdout is not None
    with client.stdout:
        child = int(client.stdout.readline())
        assert not wait_until_ended(fresh_directory, 5)
        client.kill()
        client.wait()
        try:
            assert wait_until_ended(fresh_directory, 30)
            os.kill(child, 0)  # it has outlived the server
        finally:
            os.kill(child, signal.SIGKILL)


@pytest.mark.skipif(shutil.which("ps") is None, reason="finds the supervisor with ps")
def test_a_killed_supervisor_is_replaced_by_the_next_opener(
    fresh_directory: Path, layout_of: LayoutOf, wait_until_ended: WaitUntilEnded
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        layout = layout_of(fresh_directory)
        postmaster = postmaster_of(layout)
        os.kill(parent_of(postmaster), signal.SIGKILL)
        assert wait_for(lambda: not is_held(layout.supervisor), seconds=30)
        assert bank.skills() == []
        with SkillBank.open(fresh_directory):
            assert is_held(layout.supervisor)
            assert postmaster_of(layout) == postmaster
    assert wait_until_ended(fresh_directory, 30)


def test_processes_that_make_the_same_bank_share_one_server(
    fresh_directory: Path, bank_environment: dict[str, str]
) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", ADD_ONE, str(fresh_directory), title], env=bank_environment
        )
        for title in ("one", "two")
    ]
    assert [opener.wait(60) for opener in openers] == [0, 0]
    with SkillBank.open(fresh_directory) as bank:
        assert {skill.title for skill in bank.skills()} == {"one", "two"}
    assert not [path for path in fresh_directory.parent.iterdir() if path.name.startswith(".new")]


def test_only_the_owner_may_enter(embedded_directory: Path, layout_of: LayoutOf) -> None:
    layout = layout_of(embedded_directory)
    modes = {
        path.name: stat.S_IMODE(path.lstat().st_mode)
        for path in (layout.sockets, layout.data, layout.secrets, layout.base)
    }
    base = 0o710 if os.geteuid() == 0 else 0o700
    assert modes == {"run": 0o700, "data": 0o700, "secrets.json": 0o600, layout.base.name: base}


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ServerError, match=r"neither empty nor a bank: it has 'thesis.txt'"):
        SkillBank.open(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServerError, match="not a directory that can be read"):
        SkillBank.open(tmp_path / "file")
    with pytest.raises(ServerError, match="not a directory that can be read"):
        SkillBank.open(tmp_path / "file" / "bank")


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("{}", "cannot be read as a bank's marker"),
        ('{"format":1,"postgres":17,"cluster":"."}', "format 1 on Postgres 17; this release opens"),
        ('{"format":2,"postgres":18,"cluster":"."}', "of format 2"),
        ('{"format":1,"postgres":18,"cluster":"gone"}', "damaged or gone"),
    ],
)
def test_a_marker_that_does_not_fit_is_refused(tmp_path: Path, marker: str, said: str) -> None:
    (tmp_path / "skillbank.json").write_text(marker, encoding="utf-8")
    with pytest.raises(ServerError, match=said):
        SkillBank.open(tmp_path)


def test_data_of_another_postgres_is_refused(fresh_directory: Path, layout_of: LayoutOf) -> None:
    SkillBank.open(fresh_directory).close()
    version = layout_of(fresh_directory).data / "PG_VERSION"
    version.write_text("15\n", encoding="ascii")
    try:
        with pytest.raises(
            ServerError, match=f"by Postgres 15; this release runs Postgres {MAJOR}"
        ):
            SkillBank.open(fresh_directory)
    finally:
        version.write_text(f"{MAJOR}\n", encoding="ascii")


def test_a_server_that_does_not_start_is_quoted(
    fresh_directory: Path, layout_of: LayoutOf, wait_until_ended: WaitUntilEnded
) -> None:
    SkillBank.open(fresh_directory).close()
    assert wait_until_ended(fresh_directory, 30)
    (layout_of(fresh_directory).data / "global" / "pg_control").unlink()
    with pytest.raises(ServerError, match=r"does not start:\n(.*\n)*.*global/pg_control"):
        SkillBank.open(fresh_directory)


def test_a_socket_path_that_is_too_long_is_refused(
    bank_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = bank_root / ("long" * 25)
    deep.mkdir(mode=0o755)
    monkeypatch.setenv(HOME_VARIABLE, str(deep))
    with pytest.raises(ServerError, match=r"bytes, the system allows \d+; choose"):
        SkillBank.open(deep / "bank")
    assert not (deep / "bank").exists()


def test_a_full_disk_leaves_nothing_half_made(
    fresh_directory: Path, bank_environment: dict[str, str]
) -> None:
    def few_bytes() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-B", "-c", ADD_ONE, str(fresh_directory), "one"],
        env=bank_environment,
        preexec_fn=few_bytes,
        capture_output=True,
        text=True,
    )
    assert "skillbank.errors.ServerError" in done.stderr
    assert not fresh_directory.exists()
    folders = [fresh_directory.parent, fresh_directory.parent / "home" / "databases"]
    assert not [path for folder in folders for path in folder.glob(".new*")]


@as_root
def test_root_never_changes_a_parents_mode(
    bank_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = bank_root / "private"
    private.mkdir(mode=0o700)
    monkeypatch.setenv(HOME_VARIABLE, str(private / "home"))
    with pytest.raises(ServerError, match=f"{private} cannot be entered by the account"):
        SkillBank.open(private / "bank")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


@as_root
def test_root_trusts_no_home_that_others_can_change(
    bank_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = bank_root / "writable"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setenv(HOME_VARIABLE, str(shared))
    with pytest.raises(ServerError, match=f"{shared} can be changed by others than root"):
        SkillBank.open(bank_root / "never-made")


@as_root
def test_the_server_of_root_is_not_root(embedded_directory: Path, layout_of: LayoutOf) -> None:
    layout = layout_of(embedded_directory)
    assert layout.data.stat().st_uid != 0
    told = subprocess.run(
        ["ps", "-o", "user=", "-p", str(postmaster_of(layout))], capture_output=True, text=True
    )
    assert told.stdout.strip() == "skillbank"


SYSTEM_PYTHON = "/usr/bin/python3"


@as_root
def test_an_ordinary_user_keeps_everything_in_the_directory(bank_root: Path) -> None:
    """Runs as the server's own account, since this process is root."""
    import pwd

    places = [sysconfig.get_path("purelib"), str(Path(skillbank.__file__).parent.parent)]
    account = pwd.getpwnam("skillbank")
    home = bank_root / "user"
    home.mkdir()
    os.chown(home, account.pw_uid, account.pw_gid)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [SYSTEM_PYTHON, *arguments],
            env={"PYTHONPATH": os.pathsep.join(places), "PATH": "/usr/bin:/bin"},
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
        )

    with contextlib.suppress(FileNotFoundError):
        probe = "import sys, psycopg, skillbank; print(sys.version_info[:2])"
        if run("-c", probe).stdout.strip() == str(sys.version_info[:2]):
            done = run("-W", "error", "-c", ADD_ONE, str(home / "bank"), "one")
            assert done.stdout == "1\n", done.stderr
            assert (home / "bank" / "data" / "PG_VERSION").exists()
            assert (home / "bank").stat().st_uid == account.pw_uid
            lock = home / "bank" / "server.lock"
            assert wait_for(lambda: not is_held(lock), seconds=30)
            return
    pytest.skip(f"no {SYSTEM_PYTHON} of this version that another user can run")


@as_root
def test_a_bank_of_another_user_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "skillbank.json"
    marker.write_text('{"format":1,"postgres":18,"cluster":"."}', encoding="utf-8")
    os.chown(marker, 12345, 12345)
    with pytest.raises(BankInUse, match=r"belongs to user 12345, this process runs as 0"):
        SkillBank.open(tmp_path)
