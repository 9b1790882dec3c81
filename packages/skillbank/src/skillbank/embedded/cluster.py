"""Makes a new database directory: all of it, or nothing.

Everything is prepared in a hidden sibling and renamed at the end. Roles and extensions
are made by Postgres in its single-user mode, so no server runs and no socket exists
before the access rules do. The superuser has no password and no rule lets it in.
"""

import json
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from skillbank.embedded.account import Account, root_home, server_account
from skillbank.embedded.binaries import copy_programs, find_programs
from skillbank.embedded.layout import Layout, check_new, write_marker
from skillbank.errors import ServerError

DATABASE = "skillbank"
OWNER_ROLE = "skillbank_owner"
"""Owns the tables; used for migrations only."""
APP_ROLE = "skillbank_app"
"""The role of daily use: neither superuser nor owner of anything."""

_ACCESS_RULES = f"""\
# One database, two roles, always with a password, over the socket only.
local {DATABASE} {OWNER_ROLE},{APP_ROLE} scram-sha-256
"""


def programs_for(account: Account | None) -> Path:
    """Return the directory of programs that the server's account can run."""
    return find_programs() if account is None else copy_programs(root_home())


def create(directory: Path) -> None:
    """Make a bank at `directory`, which is missing or empty.

    If another process makes it at the same time, one of the two results is kept.

    Raises:
        ServerError: it cannot be made; nothing is left behind.
    """
    account = server_account()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        if account is None:
            check_new(Layout(directory))
            with _scratch(directory.parent) as scratch:
                _fill(Layout(scratch), account)
                write_marker(scratch, ".")
                _rename_into(scratch, directory)
        else:
            _create_as_root(directory, account)
    except OSError as err:
        raise ServerError(f"no bank can be made at {directory}: {err}") from err


def _create_as_root(directory: Path, account: Account) -> None:
    databases = root_home() / "databases"
    databases.mkdir(mode=0o711, exist_ok=True)
    base = databases / secrets.token_hex(6)
    check_new(Layout(base))
    with _scratch(databases) as scratch, _scratch(directory.parent) as pointer:
        os.chown(scratch, -1, account.group)
        scratch.chmod(0o710)
        _fill(Layout(scratch), account)
        scratch.rename(base)
        write_marker(pointer, str(base))
        if not _rename_into(pointer, directory):
            shutil.rmtree(base)


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=".new-bank-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _rename_into(scratch: Path, directory: Path) -> bool:
    try:
        scratch.rename(directory)
    except OSError:
        if not (directory.is_dir() and os.listdir(directory)):
            raise
        return False
    return True


def _fill(layout: Layout, account: Account | None) -> None:
    passwords = {role: secrets.token_hex(24) for role in (OWNER_ROLE, APP_ROLE)}
    for folder in (layout.data, layout.sockets):
        folder.mkdir(mode=0o700)
        if account is not None:
            os.chown(folder, account.user, account.group)
    for file in (layout.secrets, layout.clients, layout.server, layout.supervisor, layout.log):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    layout.secrets.write_text(json.dumps(passwords), encoding="utf-8")
    layout.access_rules.write_text(_ACCESS_RULES, encoding="ascii")
    layout.access_rules.chmod(0o640)
    if account is not None:
        os.chown(layout.access_rules, -1, account.group)
    programs = programs_for(account)
    _run([str(programs / "initdb"), "-D", str(layout.data), *_INITDB], account)
    single = [str(programs / "postgres"), "--single", "-D", str(layout.data), *_SINGLE]
    _run([*single, "postgres"], account, script=_roles(passwords))
    _run([*single, DATABASE], account, script="create extension vector\n")


_INITDB = (
    "--username=skillbank_admin",
    "--auth-local=reject",
    "--auth-host=reject",
    "--encoding=UTF8",
    # The same order and case rules on every machine, whatever its libc.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "--text-search-config=english",
    # Small write-ahead segments: a bank is megabytes, not gigabytes.
    "--wal-segsize=4",
    "--no-instructions",
)
_SINGLE = ("-c", "exit_on_error=on", "-c", "log_checkpoints=off", "-c", "io_method=sync")


def _roles(passwords: dict[str, str]) -> str:
    # One statement per line, as single-user mode wants it; the passwords are hex.
    lines = [
        *(f"create role {role} login password '{word}'" for role, word in passwords.items()),
        f"create database {DATABASE} owner {OWNER_ROLE}",
        f"revoke connect, temporary on database {DATABASE} from public",
        f"grant connect on database {DATABASE} to {APP_ROLE}",
    ]
    return "\n".join(lines) + "\n"


def _run(command: Sequence[str], account: Account | None, *, script: str = "") -> None:
    switched = account is not None
    done = subprocess.run(
        command,
        input=script,
        capture_output=True,
        text=True,
        errors="replace",
        cwd="/",
        env=program_environment(),
        user=account.user if account is not None else None,
        group=account.group if account is not None else None,
        extra_groups=[] if switched else None,
        umask=0o077,
    )
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-10:])
        raise ServerError(
            f"{Path(command[0]).name} ended with {done.returncode} while setting up a bank:\n{said}"
        )


def program_environment() -> dict[str, str]:
    """Return the environment for Postgres programs: nothing of ours leaks into them."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
