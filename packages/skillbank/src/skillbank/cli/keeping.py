"""Commands that look after a bank: snapshot, rollback, reembed, optimize, migrate."""

import argparse
from pathlib import Path

from skillbank.cli.options import Commands, add_reason
from skillbank.cli.target import check_url, find_revision, has_bank, is_url, open_bank
from skillbank.cli.terminal import Terminal
from skillbank.errors import UnknownSkill
from skillbank.schema import to_record


def register(commands: Commands) -> None:
    """Add the commands."""
    snapshot = commands.add("snapshot", take_snapshot, "name the present revision, or list names")
    snapshot.add_argument("snapshot", nargs="?", metavar="NAME")
    snapshot.add_argument("--note", default="", help="what it is")
    rollback = commands.add("rollback", roll_back, "make the skills what they were at a revision")
    rollback.add_argument("revision", metavar="REVISION")
    rollback.add_argument("--yes", action="store_true", help="do not ask")
    add_reason(rollback)
    reembed = commands.add("reembed", reembed_skills, "give every skill a vector of --embedder")
    reembed.add_argument(
        "--batch-size", type=int, default=64, metavar="N", help="texts at a time (default: 64)"
    )
    commands.add("optimize", optimize, "index the vectors of a bank of more than 10,000 skills")
    commands.add("migrate", bring_up_to_date, "make or update a server's tables, as their owner")


def take_snapshot(options: argparse.Namespace, terminal: Terminal) -> int:
    """Name the present revision, or list the names there are."""
    with open_bank(options) as bank:
        if options.snapshot is not None:
            bank.snapshot(options.snapshot, note=options.note)
        snapshots = bank.snapshots()
    if options.snapshot is not None:
        snapshots = [snapshot for snapshot in snapshots if snapshot.name == options.snapshot]
    if terminal.as_json:
        terminal.data([to_record(snapshot) for snapshot in snapshots])
    elif snapshots:
        terminal.table(
            ("revision", "name", "note"),
            [(snapshot.revision, snapshot.name, snapshot.note) for snapshot in snapshots],
        )
    return 0


def roll_back(options: argparse.Namespace, terminal: Terminal) -> int:
    """Roll back, once somebody has agreed."""
    with open_bank(options) as bank:
        target = find_revision(bank, options.revision) or 0
        diff = bank.diff(target)
        what = (
            f"from revision {bank.revision} to {target}: retire {len(diff.added)} skills, bring "
            f"back {len(diff.removed)}, and the earlier text of {len(diff.revised)}"
        )
        if not options.yes and not terminal.confirm(f"Roll back {what}?"):
            terminal.note("nothing was changed")
            return 1
        revision = bank.rollback(target, reason=options.reason)
    if terminal.as_json:
        terminal.data({"revision": revision})
    else:
        terminal.say(f"rolled back {what}; revision {revision}")
    return 0


def reembed_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """Change the bank over to an embedder's vectors; a run cut short goes on."""
    if options.embedder is None:
        options.parser.error("--embedder is missing: it makes the new vectors")
    with open_bank(options) as bank:
        with terminal.progress("embedding") as draw:
            done = bank.reembed(progress=draw, batch_size=options.batch_size)
        revision = bank.revision
    if terminal.as_json:
        terminal.data({"embedded": done, "revision": revision})
    else:
        terminal.say(f"{done} versions embedded; revision {revision}")
    return 0


def optimize(options: argparse.Namespace, terminal: Terminal) -> int:
    """Build the index."""
    with open_bank(options) as bank:
        bank.optimize()
    if not terminal.as_json:
        terminal.say("search is as fast as it gets at this size")
    return 0


def bring_up_to_date(options: argparse.Namespace, terminal: Terminal) -> int:
    """Apply the migrations that are missing, and name them."""
    applied = _migrate(options.bank, options.schema)
    if terminal.as_json:
        terminal.data({"applied": applied})
    elif applied:
        for name in applied:
            terminal.say(f"applied {name}")
    else:
        terminal.say("nothing to do: the tables are those of this release")
    return 0


def _migrate(target: str, schema: str) -> list[str]:
    import psycopg

    from skillbank.database import server_errors
    from skillbank.embedded.server import OWNER_ROLE, EmbeddedServer
    from skillbank.migrate import migrate

    if is_url(target):
        check_url(target)
        with server_errors(), psycopg.connect(target, autocommit=True) as connection:
            return migrate(connection, schema)
    if not has_bank(target):
        raise UnknownSkill(f"there is no bank in {target!r:.200}")
    server = EmbeddedServer.open(Path(target))
    try:
        owner = server.conninfo(OWNER_ROLE)
        with server_errors(), psycopg.connect(owner, autocommit=True) as connection:
            return migrate(connection, schema)
    finally:
        server.close()
