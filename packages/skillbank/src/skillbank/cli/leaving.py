"""The command that takes skills out of a bank, into a file: export."""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from skillbank.cli.options import Commands, add_revision
from skillbank.cli.target import find_revision, open_bank
from skillbank.cli.terminal import Terminal
from skillbank.formats.files import write_file
from skillbank.formats.jsonl import export_jsonl
from skillbank.formats.skillrl import export_skillrl
from skillbank.reading import BankReader
from skillbank.render import render
from skillbank.skill import Hit

_SUFFIXES = {".json": "skillrl", ".jsonl": "jsonl", ".md": "markdown"}


def register(commands: Commands) -> None:
    """Add the command."""
    export = commands.add("export", export_skills, "write the skills to a file or standard output")
    export.add_argument(
        "--format",
        choices=("skillrl", "jsonl", "markdown"),
        help="default: by the suffix of --output, else jsonl",
    )
    export.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    export.add_argument("--overwrite", action="store_true", help="replace FILE if it exists")
    export.add_argument("--active-only", action="store_true", help="jsonl without other versions")
    export.add_argument(
        "--extras", action="store_true", help="skillrl with versions, statuses and provenance"
    )
    export.add_argument(
        "--quarantined", action="store_true", help="skillrl with what is in quarantine too"
    )
    add_revision(export)


def export_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """Export."""
    chosen = options.format
    if chosen is None:
        chosen = "jsonl" if options.output is None else _SUFFIXES.get(options.output.suffix.lower())
    if chosen is None:
        options.parser.error(f"--format is missing: {options.output.name!r:.60} does not tell")
    with open_bank(options, terminal) as bank:
        text = "".join(_WRITERS[chosen](bank, options))
    if options.output is not None:
        write_file(options.output, text, overwrite=options.overwrite)
    elif chosen == "markdown":
        for line in text.splitlines():
            terminal.say(line)
    else:
        terminal.lines(_in_ascii(text))
    return 0


def _skillrl(bank: BankReader, options: argparse.Namespace) -> Iterator[str]:
    exported = export_skillrl(
        bank,
        revision=find_revision(bank, options.revision),
        extras=options.extras,
        quarantined=options.quarantined,
    )
    yield json.dumps(exported, indent=2)


def _jsonl(bank: BankReader, options: argparse.Namespace) -> Iterable[str]:
    revision = find_revision(bank, options.revision)
    return export_jsonl(bank, revision=revision, active_only=options.active_only)


def _markdown(bank: BankReader, options: argparse.Namespace) -> Iterator[str]:
    skills = bank.skills(revision=find_revision(bank, options.revision))
    yield render(Hit(skill=skill, rank=i, score=None) for i, skill in enumerate(skills)) + "\n"


_WRITERS: dict[str, Callable[[BankReader, argparse.Namespace], Iterable[str]]] = {
    "skillrl": _skillrl,
    "jsonl": _jsonl,
    "markdown": _markdown,
}


def _in_ascii(text: str) -> str:
    """Return JSON with every other character escaped, which says the same."""
    return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
