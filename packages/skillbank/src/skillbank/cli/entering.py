"""Commands that bring text into a bank: init, add, import."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from skillbank.cli.options import Commands, add_status, add_text_options
from skillbank.cli.target import has_bank, is_url, open_bank
from skillbank.cli.terminal import Terminal, hide_passwords
from skillbank.cli.wording import say_report
from skillbank.errors import InvalidImport, SchemaError
from skillbank.formats.arrivals import Arrival, check_arrivals, take_in
from skillbank.formats.files import MAX_BYTES, load_json
from skillbank.formats.importing import import_file, report_of
from skillbank.schema import from_record
from skillbank.skill import Kind, Provenance, SkillDraft

_STDIN = "standard input"
_TEXTS = ("title", "principle", "when_to_apply")


def register(commands: Commands) -> None:
    """Add the commands."""
    commands.add("init", init, "make a bank, unless it is there already")
    add = commands.add("add", add_skills, "add a skill, or many from standard input")
    add_text_options(add, required=False)
    add.add_argument(
        "--from-stdin",
        action="store_true",
        help="read objects with title, principle, when_to_apply, kind and category, or "
        "SkillDraft records: one a line, or an array",
    )
    add_status(add)
    taker = commands.add("import", import_skills, "import a SkillRL JSON file, JSONL, or a folder")
    taker.add_argument("path", type=Path, metavar="PATH")
    taker.add_argument("--format", choices=("skillrl", "jsonl"), help="default: by the suffix")
    add_status(taker)


def init(options: argparse.Namespace, terminal: Terminal) -> int:
    """Open a bank, making what is missing."""
    target = options.bank
    new = not is_url(target) and not has_bank(target)
    with open_bank(options, create=True) as bank:
        where = hide_passwords(target) if is_url(target) else str(Path(target).absolute())
        if terminal.as_json:
            told = {"bank": where, "name": bank.name, "id": bank.id, "revision": bank.revision}
            terminal.data(told)
            return 0
        said = "made" if new else "opened"
        terminal.say(f"{said} the bank {bank.name!r} in {where}, revision {bank.revision}")
    return 0


def add_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """Add one skill from the options, or those on standard input."""
    given = [options.title, options.principle, options.when]
    if options.from_stdin:
        if any((*given, options.kind, options.category)):
            options.parser.error("--from-stdin takes no text from options")
        drafts = list(_drafts(_read_stdin()))
    elif all(given):
        drafts = [(_STDIN, _draft_of(options))]
    else:
        options.parser.error("give --title, --principle and --when, or --from-stdin")
    arrivals = [Arrival(draft=draft, status=options.status, place=at) for at, draft in drafts]
    check_arrivals(arrivals)
    with open_bank(options) as bank:
        taken, revision = take_in(bank, arrivals, reason="added", documents=lambda _: {})
        say_report(terminal, report_of(taken, revision))
    return 0


def import_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """Import a file or folder."""
    with open_bank(options) as bank:
        report = import_file(bank, options.path, options.format, status=options.status)
        say_report(terminal, report)
    return 0


def _draft_of(options: argparse.Namespace) -> SkillDraft:
    return SkillDraft(
        title=options.title,
        principle=options.principle,
        when_to_apply=options.when,
        kind=_kind(options.kind, options.category),
        category=options.category,
        provenance=Provenance(source="manual"),
    )


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise InvalidImport(f"{_STDIN} has more than {MAX_BYTES:,} bytes; add it in parts")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        raise InvalidImport(f"{_STDIN} is not UTF-8 at position {err.start}") from err


def _drafts(text: str) -> Iterator[tuple[str, SkillDraft]]:
    if text.lstrip().startswith("["):
        values = load_json(text, _STDIN)
        for index, value in enumerate(values):
            yield (place := f"{_STDIN}: [{index}]"), _draft(value, place)
        return
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield (place := f"{_STDIN}, line {number}"), _draft(load_json(line, place), place)


def _draft(value: Any, place: str) -> SkillDraft:  # noqa: ANN401  # any JSON value
    if not isinstance(value, dict):
        raise InvalidImport(f"{place} must be an object, got {str(value)[:60]!r}")
    if "schema" not in value:
        value = _completed(value, place)
    try:
        return from_record(SkillDraft, value)
    except SchemaError as err:
        raise InvalidImport(f"{place}: {err}") from err


def _completed(value: dict[str, Any], place: str) -> dict[str, Any]:
    """Return a plain object as a record, which then says what else is wrong with it."""
    if unknown := sorted(value.keys() - {*_TEXTS, "kind", "category"}):
        raise InvalidImport(
            f"{place} has the key {unknown[0]!r:.60}; a skill has {', '.join(_TEXTS)}, kind and "
            "category"
        )
    return {
        "schema": "SkillDraft",
        "schema_version": SkillDraft.schema_version,
        "kind": _kind(None, value.get("category")),
        "category": None,
        **value,
        "provenance": {"source": "manual"},
    }


def _kind(kind: Kind | None, category: object) -> Kind:
    return kind or ("general" if category is None else "task")
