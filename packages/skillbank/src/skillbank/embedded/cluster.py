"""Makes a new database directory: all of it, or nothing.

Everything is prepared in a hidden sibling and renamed at the end. Roles and extensions
are made by Postgres in its single-user mode, so no server runs and no socket exists
before the access rules do. The superuser has no password and no rule lets it in.
"""

import json
import os
import secrets
import shutil
import sys
from pathlib import Path

from skillbank.embedded.account import Account, root_home, server_account
from skillbank.embedded.binaries import VARIABLE, Programs, find_programs
from skillbank.embedded.layout import Layout, check_new, write_marker
from skillbank.embedded.leftovers import Scratch, claim, collect, collect_unclaimed, scratch
from skillbank.embedded.programs import run
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


def create(directory: Path) -> None:
    """Make a bank at `directory`, which is missing or empty.

    If another process makes it at the same time, one of the two results is kept.

    Raises:
        ServerError: it cannot be made; nothing is left behind.
    """
    account = server_account()
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        collect(directory.parent)
        if account is None:
            _create_as_user(directory)
        else:
            _create_as_root(directory, account)
    except OSError as err:
        raise ServerError(f"no bank can be made at {directory}: {err}") from err


def _create_as_user(directory: Path) -> None:
    check_new(Layout(directory))
    programs = find_programs(None)
    with scratch(directory.parent) as new:
        _fill(new, programs, None)
        write_marker(new.path, ".", programs.major)
        _rename_into(new.path, directory)


def _create_as_root(directory: Path, account: Account) -> None:
    databases = root_home() / "databases"
    databases.mkdir(mode=0o711, exist_ok=True)
    collect(databases)
    collect_unclaimed(databases)
    layout = Layout(databases / secrets.token_hex(6))
    check_new(layout)
    programs = find_programs(account)
    with scratch(databases) as new, scratch(directory.parent) as pointer:
        os.chown(new.path, -1, account.group)
        new.path.chmod(0o710)
        _fill(new, programs, account)
        Layout(new.path).unclaimed.write_bytes(os.fsencode(directory))
        new.path.rename(layout.base)
        write_marker(pointer.path, str(layout.base), programs.major)
        if _rename_into(pointer.path, directory):
            claim(layout, directory)
        else:
            shutil.rmtree(layout.base)


def _rename_into(new: Path, directory: Path) -> bool:
    try:
        new.rename(directory)
    except OSError:
        if not (directory.is_dir() and os.listdir(directory)):
            raise
        return False
    return True


def _fill(new: Scratch, programs: Programs, account: Account | None) -> None:
    layout = Layout(new.path)
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
    initdb = [str(programs.initdb), "-D", str(layout.data), *_initdb_options(programs.major)]
    run(initdb, account, keep=[new.lock])
    layout.read_major()  # an initdb that made nothing shall not pass
    single = [str(programs.postgres), "--single", "-D", str(layout.data), *_SINGLE]
    run([*single, "template1"], account, script=_roles(passwords), keep=[new.lock])
    try:
        run([*single, DATABASE], account, script=_EXTENSION, keep=[new.lock])
    except ServerError as err:
        raise ServerError(
            f"the Postgres in {programs.directory} lacks pgvector 0.8 or newer; install it there, "
            f"or name another Postgres in {VARIABLE} ({err})"
        ) from err


_SINGLE = ("-c", "exit_on_error=on", "-c", "log_checkpoints=off")


def _initdb_options(major: int) -> list[str]:
    # The same order and case rules on every machine, whatever its libc. Before release 17
    # Postgres has none of its own: order by bytes, and letters as Unicode has them.
    unicode = "UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    provider = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if major >= 17
        else ["--locale-provider=libc", f"--lc-ctype={unicode}"]
    )
    # One call instead of one for each of a thousand files.
    syncing = ["--sync-method=syncfs"] if major >= 17 and sys.platform == "linux" else []
    return [
        "--username=skillbank_admin",
        "--auth-local=reject",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        *provider,
        *syncing,
        "--text-search-config=english",
        "--data-checksums",
        # Small write-ahead segments: a bank is megabytes, not gigabytes.
        "--wal-segsize=4",
        "--no-instructions",
    ]


def _roles(passwords: dict[str, str]) -> str:
    # One statement per line, as single-user mode wants it; the passwords are hex.
    lines = [
        *(f"create role {role} login password '{word}'" for role, word in passwords.items()),
        # The one that initdb makes: a new one would be another copy of the template.
        f"alter database postgres rename to {DATABASE}",
        f"alter database {DATABASE} owner to {OWNER_ROLE}",
        f"revoke connect, temporary on database {DATABASE} from public",
        f"grant connect on database {DATABASE} to {APP_ROLE}",
    ]
    return "\n".join(lines) + "\n"


_EXTENSION = (
    "create extension vector\n"
    "do $$ declare found text := (select extversion from pg_extension where extname = 'vector');"
    " begin if string_to_array(found, '.')::int[] < '{0,8}' then"
    " raise exception 'this is pgvector %', found; end if; end $$\n"
)
