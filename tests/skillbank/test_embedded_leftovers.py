"""What killed processes leave behind is found, and nothing else is ever deleted."""

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from skillbank import SkillBank
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.layout import MARKER, Layout
from skillbank.embedded.leftovers import collect, collect_unclaimed, orphans

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about running as root")


def make(path: Path, *files: str, old: bool = True) -> Path:
    path.mkdir(parents=True)
    for name in files:
        (path / name).touch()
    if old:
        os.utime(path, (1, 1))
    return path


def make_database(databases: Path, name: str, note: str, directory: Path) -> Path:
    """A database that notes in the file `note` which bank it belongs to."""
    base = make(databases / name)
    (base / note).write_bytes(os.fsencode(directory))
    os.utime(base, (1, 1))
    return base


def point(directory: Path, base: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    record = {"format": 1, "postgres": 18, "cluster": str(base)}
    (directory / MARKER).write_text(json.dumps(record), encoding="utf-8")


def test_only_old_unlocked_half_made_banks_are_deleted(tmp_path: Path) -> None:
    make(tmp_path / ".new-bank-empty")
    make(tmp_path / ".new-bank-cut", "secrets.json", "clients.lock")
    kept = [
        make(tmp_path / ".new-bank-fresh", old=False),
        make(tmp_path / ".new-bank-locked", "secrets.json"),
        make(tmp_path / ".new-bank-thesis", "secrets.json", "thesis.txt"),
        make(tmp_path / ".new-bank-whole", "secrets.json", MARKER),
        make(tmp_path / "new-bank-other", "secrets.json"),
    ]
    (tmp_path / ".new-bank-link").symlink_to(make(tmp_path / "elsewhere", "secrets.json"))
    (tmp_path / ".new-bank-file").touch()
    lock = os.open(tmp_path / ".new-bank-locked", os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    collect(tmp_path)
    os.close(lock)
    others = {".new-bank-link", ".new-bank-file", "elsewhere"}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in kept} | others
    assert (tmp_path / "elsewhere" / "secrets.json").exists()


@as_root
def test_what_another_user_left_is_not_deleted(tmp_path: Path) -> None:
    path = make(tmp_path / ".new-bank-theirs")
    os.chown(path, 12345, 12345)
    collect(tmp_path)
    assert path.exists()


def test_a_database_that_no_directory_got_to_point_to_is_deleted(tmp_path: Path) -> None:
    databases = tmp_path / "databases"
    claimed = make_database(databases, "claimed", "pointer.new", tmp_path / "bank")
    point(tmp_path / "bank", claimed)
    point(tmp_path / "faster", claimed)
    gone = make_database(databases, "gone", "pointer.new", tmp_path / "never-made")
    loser = make_database(databases, "loser", "pointer.new", tmp_path / "faster")
    used = make_database(databases, "used", "pointer", tmp_path / "removed")
    before = make(databases / "of-an-earlier-release", "secrets.json")
    collect_unclaimed(databases)
    assert [path.exists() for path in (claimed, used, before)] == [True, True, True]
    assert [path.exists() for path in (gone, loser)] == [False, False]


def test_databases_whose_directories_are_gone_are_listed(tmp_path: Path) -> None:
    databases = tmp_path / "databases"
    fine = make_database(databases, "fine", "pointer", tmp_path / "bank")
    point(tmp_path / "bank", fine)
    removed = make_database(databases, "removed", "pointer", tmp_path / "removed")
    replaced = make_database(databases, "replaced", "pointer", tmp_path / "bank")
    make(databases / "of-an-earlier-release", "secrets.json")
    assert orphans(tmp_path) == [removed, replaced]
    assert orphans(tmp_path / "nothing-here") == []


@as_root
def test_a_bank_of_root_is_known_by_its_directory_wherever_it_moves(
    fresh_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = fresh_directory.with_name(f"{fresh_directory.name}-home")
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    SkillBank.open(fresh_directory).close()
    (base,) = (home / "databases").iterdir()
    assert not Layout(base).unclaimed.exists()
    assert orphans(home) == []
    moved = fresh_directory.rename(fresh_directory.with_name(f"{fresh_directory.name}-moved"))
    assert orphans(home) == [base]
    SkillBank.open(moved).close()
    assert orphans(home) == []
    parked = moved.rename(home / "parked")
    assert orphans(home) == [base]
    shutil.copytree(parked, moved)  # where the end of its server is waited for
