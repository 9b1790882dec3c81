"""Fixtures with banks: in memory, and in one embedded Postgres per test run."""

import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from skillbank import SkillBank
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.layout import Layout, find_layout
from skillbank.embedded.locks import is_held

LayoutOf = Callable[[Path], Layout]
WaitUntilEnded = Callable[[Path, float], bool]


def _layout_of(directory: Path) -> Layout:
    layout = find_layout(directory.resolve())
    assert layout is not None
    return layout


def _wait_until_ended(directory: Path, seconds: float) -> bool:
    layout = _layout_of(directory)
    deadline = time.monotonic() + seconds
    while is_held(layout.server) or is_held(layout.supervisor):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _fast_place() -> str | None:
    """A file system in memory, where syncing costs nothing; None for the usual place."""
    place = "/dev/shm"
    try:
        found = os.statvfs(place)
    except OSError:
        return None
    roomy = found.f_bavail * found.f_frsize > 2 * 1024**3
    runs_programs = not found.f_flag & getattr(os, "ST_NOEXEC", 0)
    return place if roomy and runs_programs else None


@pytest.fixture(scope="session")
def layout_of() -> LayoutOf:
    """(directory) -> the files of the bank there."""
    return _layout_of


@pytest.fixture(scope="session")
def wait_until_ended() -> WaitUntilEnded:
    """(directory, seconds) -> whether server and supervisor have ended by then."""
    return _wait_until_ended


@pytest.fixture(scope="session")
def bank_root() -> Iterator[Path]:
    """A directory for banks: short enough for sockets, and open to the server's account."""
    root = Path(tempfile.mkdtemp(prefix="skb-", dir=_fast_place())).resolve()
    root.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(HOME_VARIABLE, str(root / "home"))
        yield root
    for directory in root.iterdir():
        if (directory / "skillbank.json").exists():
            assert _wait_until_ended(directory, 60), f"{directory} still runs"
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def embedded_directory(bank_root: Path) -> Iterator[Path]:
    """A directory whose server runs for the whole test run."""
    directory = bank_root / "shared"
    with SkillBank.open(directory, name="keeps the server running"):
        yield directory


@pytest.fixture
def fresh_directory(bank_root: Path) -> Path:
    """A place where no bank has been made yet."""
    return bank_root / f"fresh-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def embedded_bank(embedded_directory: Path) -> Iterator[SkillBank]:
    with SkillBank.open(embedded_directory, name=uuid.uuid4().hex) as bank:
        yield bank


@pytest.fixture(params=["memory", "embedded"])
def bank(request: pytest.FixtureRequest) -> Iterator[SkillBank]:
    """An empty bank of each kind."""
    if request.param == "memory":
        with SkillBank.in_memory() as bank:
            yield bank
    else:
        directory = request.getfixturevalue("embedded_directory")
        with SkillBank.open(directory, name=uuid.uuid4().hex) as bank:
            yield bank


@pytest.fixture
def bank_environment(bank_root: Path) -> dict[str, str]:
    """What a child process needs to open banks under `bank_root`."""
    return {**os.environ, HOME_VARIABLE: str(bank_root / "home")}
