"""`skillbank doctor`: what a bank needs, whether it is there, and what to do if not.

It makes no bank and changes none; the server of a bank that exists is started.
"""

import argparse
import os
import platform
import pwd
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from skillbank.cli.findings import Finding, Findings
from skillbank.cli.options import Commands
from skillbank.cli.target import check_url, embedder_of, has_bank, is_url
from skillbank.cli.terminal import Terminal, hide_passwords
from skillbank.errors import SkillbankError

T = TypeVar("T")
Check = Callable[[argparse.Namespace], Findings]


def register(commands: Commands) -> None:
    """Add the command."""
    commands.add("doctor", diagnose, "check the machine and the bank, and say what to mend")


def diagnose(options: argparse.Namespace, terminal: Terminal) -> int:
    """Run the checks, print a line each, and return 1 if one failed."""
    findings: list[Finding] = []
    for name, check in _checks(options.bank).items():
        for finding in _carried_out(name, check, options):
            findings.append(finding)
            if not terminal.as_json:
                terminal.say(f"{finding.level:<5} {finding.name:<10} {finding.text}")
    if terminal.as_json:
        terminal.data([finding._asdict() for finding in findings])
    return int(any(finding.level == "fail" for finding in findings))


def _checks(target: str) -> dict[str, Check]:
    every: dict[str, Check] = {"package": _package, "embedder": _embedder}
    if is_url(target):
        return every | {"server": _server}
    return every | {
        "programs": _programs,
        "directory": _directory,
        "server": _embedded,
        "leftovers": _leftovers,
    }


def _carried_out(name: str, check: Check, options: argparse.Namespace) -> Findings:
    from psycopg import Error

    try:
        for finding in check(options):
            yield finding._replace(text=hide_passwords(finding.text, url=options.bank))
    except (SkillbankError, Error, OSError) as err:
        said = " ".join(str(err).split())
        yield Finding("fail", name, hide_passwords(said, url=options.bank))


def _package(_: argparse.Namespace) -> Findings:
    import psycopg

    libpq = psycopg.pq.version()
    driver = f"psycopg {version('psycopg')}, libpq {libpq // 10000}.{libpq % 10000}"
    where = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    yield Finding("ok", "package", f"skillbank {version('skillbank')}, {where}, {driver}")


def _embedder(options: argparse.Namespace) -> Findings:
    embedder = embedder_of(options)
    if embedder is None:
        yield Finding("ok", "embedder", "none: search is by words; --embedder names one")
        return
    model = embedder.model
    embedder.embed_queries(["put the mug on the shelf"])
    yield Finding("ok", "embedder", f"{model.name}, {model.dimensions} dimensions")


def _programs(_: argparse.Namespace) -> Findings:
    from skillbank.embedded.account import ACCOUNT, server_account
    from skillbank.embedded.binaries import find_programs
    from skillbank.embedded.programs import run

    if not _is_listed(pwd.getpwuid, os.geteuid()):
        said = f"user {os.geteuid()} has no entry in the system's list of users, /etc/passwd"
        yield Finding(
            "fail", "programs", f"{said}; add one, for Postgres makes no database without"
        )
        return
    if os.geteuid() == 0 and not _is_listed(pwd.getpwnam, ACCOUNT):
        said = f"the system account {ACCOUNT!r}, which root's servers run as, is not there yet"
        yield Finding("warn", "programs", f"{said}; the first 'skillbank init' makes it")
        return
    account = server_account()
    programs = find_programs(account)
    told = run([str(programs.postgres), "--version"], account).strip()
    yield Finding("ok", "programs", f"{told} in {programs.directory}")


def _is_listed(find: Callable[[T], pwd.struct_passwd], user: T) -> bool:
    try:
        find(user)
    except KeyError:
        return False
    return True


def _directory(options: argparse.Namespace) -> Findings:
    from skillbank.embedded.layout import Layout, check_new, find_layout

    directory = Path(options.bank).expanduser().resolve()
    layout = find_layout(directory)
    if layout is None:
        if os.geteuid() != 0:
            check_new(Layout(directory))
        said = f"there is no bank in {directory}; 'skillbank init' makes one"
        yield Finding("warn", "directory", said)
        return
    length = len(os.fsencode(layout.socket))
    yield Finding("ok", "directory", f"{layout.base}, {length} bytes in the socket's path")


def _embedded(options: argparse.Namespace) -> Findings:
    from skillbank.cli.database_checks import examine
    from skillbank.embedded.server import APP_ROLE, EmbeddedServer

    if not has_bank(options.bank):
        return
    server = EmbeddedServer.open(Path(options.bank))
    try:
        yield Finding("ok", "server", "starts and answers")
        yield from examine(server.conninfo(APP_ROLE), options)
    finally:
        server.close()


def _server(options: argparse.Namespace) -> Findings:
    from skillbank.cli.database_checks import examine

    check_url(options.bank)
    yield from examine(options.bank, options)


def _leftovers(_: argparse.Namespace) -> Findings:
    from skillbank.embedded.account import root_home
    from skillbank.embedded.leftovers import orphans

    if os.geteuid() != 0:
        yield Finding("ok", "leftovers", "none: the database is in the bank's directory")
        return
    found = orphans(root_home())
    for base in found:
        said = f"no directory points to {base}; if its bank was deleted and not moved, delete it"
        yield Finding("warn", "leftovers", said)
    if not found:
        yield Finding("ok", "leftovers", "none: every database has its directory")
