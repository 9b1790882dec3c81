"""The user a server runs as when we are root, and the directory it may enter.

Postgres refuses to run as root. Root therefore keeps its databases under one directory,
`/var/lib/skillbank` or $SKILLBANK_HOME, and runs the server as the system account
`skillbank`. The directory and the programs belong to root; only a database's data and
socket belong to the account. No existing directory's mode or owner is ever changed.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from skillbank.errors import ServerError

HOME_VARIABLE = "SKILLBANK_HOME"
ACCOUNT = "skillbank"
_DEFAULT_HOME = Path("/var/lib/skillbank")
_NEW_ACCOUNT = (
    "--system",
    "--user-group",
    "--no-create-home",
    f"--home-dir={_DEFAULT_HOME}",
    "--shell=/usr/sbin/nologin",
    ACCOUNT,
)


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run the server as."""

    name: str
    user: int
    group: int


def server_account() -> Account | None:
    """Return the account a server must be switched to, None to run as ourselves.

    Raises:
        ServerError: we are root and the account is missing and cannot be created.
    """
    if os.geteuid() != 0:
        return None
    entry = _find() or _create()
    if entry.pw_uid == 0:
        raise ServerError(f"the account {ACCOUNT!r} is root under another name; remove it")
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def root_home() -> Path:
    """Return root's directory of databases, made on first use.

    Raises:
        ServerError: it cannot be made, others can write to it, or the account could
            not enter it.
    """
    home = Path(os.environ.get(HOME_VARIABLE) or _DEFAULT_HOME)
    try:
        _make(home)
        home = home.resolve(strict=True)
        _check_path(home)
    except OSError as err:
        raise ServerError(
            f"{home} cannot be used for databases: {err}; set {HOME_VARIABLE} to a directory "
            "that root owns and every user can enter"
        ) from err
    return home


def _make(home: Path) -> None:
    try:
        home.mkdir()
    except FileExistsError:
        return
    home.chmod(0o755)  # whatever the umask made of it


def _check_path(home: Path) -> None:
    for folder in [home, *home.parents]:
        info = folder.stat()
        if not info.st_mode & stat.S_IXOTH:
            raise ServerError(
                f"{folder} cannot be entered by the account {ACCOUNT!r}; set {HOME_VARIABLE} to a "
                "directory that root owns and every user can enter"
            )
        foreign = info.st_uid != 0 or info.st_mode & (stat.S_IWOTH | stat.S_IWGRP)
        shared = folder != home and info.st_mode & stat.S_ISVTX
        if foreign and not shared:
            raise ServerError(
                f"{folder} can be changed by others than root; set {HOME_VARIABLE} to a directory "
                "that only root can change"
            )


def _find() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(ACCOUNT)
    except KeyError:
        return None


def _create() -> pwd.struct_passwd:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    problem = "there is no useradd"
    if program is not None:
        done = subprocess.run(
            [program, *_NEW_ACCOUNT],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        problem = done.stderr.strip() or f"useradd ended with {done.returncode}"
    # Another process may have made it meanwhile, which is as good.
    if (entry := _find()) is None:
        raise ServerError(
            "Postgres cannot run as root and needs a system account of its own, which could not "
            f"be created ({problem}); create one named {ACCOUNT!r}, or open the bank as a user"
        )
    return entry
