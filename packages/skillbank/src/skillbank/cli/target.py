"""Opening the bank that the options name, and finding what arguments name in it."""

import argparse
from pathlib import Path

from skillbank.bank import SkillBank
from skillbank.cli.terminal import Terminal
from skillbank.embedded.layout import MARKER
from skillbank.embedding import Embedder
from skillbank.errors import InvalidQuery, UnknownSkill
from skillbank.identity import skill_id
from skillbank.reading import BankReader

_MAX_NUMBER = 1 << 48


def open_bank(
    options: argparse.Namespace, terminal: Terminal | None = None, *, create: bool = False
) -> SkillBank:
    """Open the bank that the options name.

    Args:
        options: With the shared options.
        terminal: Where to say that the bank is empty, for commands that only read.
        create: Make the directory's database if it is missing.

    Raises:
        UnknownSkill: there is no bank in the directory.
        SkillbankError: it cannot be opened.
    """
    target: str = options.bank
    if is_url(target):
        check_url(target)
    elif not create and "://" not in target and not has_bank(target):
        raise UnknownSkill(
            f"there is no bank in {target!r:.200}; 'skillbank init' makes one, --bank names another"
        )
    bank = SkillBank.open(
        target,
        name=options.name,
        tenant=options.tenant,
        schema=options.schema,
        embedder=embedder_of(options),
    )
    if terminal is not None and bank.revision == 0:
        terminal.note(f"the bank {bank.name!r:.60} is new and has no skills yet")
    return bank


def embedder_of(options: argparse.Namespace) -> Embedder | None:
    """Return the embedder that the options name."""
    if options.embedder is None:
        return None
    from skillbank.embedders import embedder_from

    return embedder_from(options.embedder)


def is_url(target: str) -> bool:
    """Tell a server from a directory."""
    return target.startswith(("postgresql://", "postgres://"))


def has_bank(target: str) -> bool:
    """Tell whether a directory holds a bank."""
    return (Path(target).expanduser() / MARKER).is_file()


def check_url(url: str) -> None:
    """Raise InvalidQuery unless the driver can read a URL."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        conninfo_to_dict(url)
    except ProgrammingError as err:
        raise InvalidQuery(
            f"the URL cannot be read: {err}; write postgresql://USER@HOST/DATABASE with special "
            "characters percent-encoded"
        ) from err


def number_of(id_: str) -> int:
    """Return a skill's number: 1 for the bank's oldest."""
    return int(id_.replace("-", "")[:12], 16) + 1


def find_skill(bank: BankReader, text: str) -> str:
    """Return the id of the skill that has a number or an id.

    Raises:
        UnknownSkill: the bank has none.
    """
    if not (text.isascii() and text.isdigit()):
        return bank.get(text).id
    number = int(text[:20])
    if 1 <= number <= _MAX_NUMBER:
        try:
            return bank.get(skill_id(bank.id, number - 1)).id
        except UnknownSkill:
            pass
    raise UnknownSkill(
        f"bank {bank.name!r:.60} has no skill {text:.60}; 'skillbank list' shows all"
    )


def find_revision(bank: BankReader, text: str | None) -> int | None:
    """Return the revision that has a number or a snapshot's name; None for None.

    Raises:
        UnknownSkill: no snapshot has the name.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return int(text[:20])
    snapshots = bank.snapshots()
    for snapshot in snapshots:
        if snapshot.name == text:
            return snapshot.revision
    names = ", ".join(snapshot.name for snapshot in snapshots) or "none"
    raise UnknownSkill(f"no snapshot is called {text!r:.60}; there are: {names:.500}")
