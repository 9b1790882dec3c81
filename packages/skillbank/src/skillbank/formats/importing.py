"""Importing a file or a folder of files, as one write."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from skillbank.bank import SkillBank
from skillbank.changes import Entry
from skillbank.errors import InvalidImport, InvalidQuery
from skillbank.formats.arrivals import Taken, check_arrivals, take_in
from skillbank.formats.files import Source, read_sources, shown
from skillbank.formats.jsonl import JsonlFile, read_jsonl
from skillbank.formats.skillrl import SkillrlFile, read_skillrl
from skillbank.formats.skillrl_items import FORMAT as SKILLRL
from skillbank.skill import Skill

Format = Literal["skillrl", "jsonl"]

_SUFFIXES: dict[str, Format] = {".json": "skillrl", ".jsonl": "jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of the texts of an import; each is in one of the four."""

    revision: int
    """The bank's revision afterwards; unchanged when nothing was new."""
    added: tuple[Skill, ...]
    """New skills, active or candidates."""
    quarantined: tuple[Skill, ...]
    """New skills that the screen stopped, or that were in quarantine before."""
    known: tuple[Skill, ...]
    """Texts the bank had already, with the status they have there."""
    skipped: tuple[str, ...]
    """What was left out because it was out of use: where, and why."""


def import_file(
    bank: SkillBank,
    path: str | os.PathLike[str],
    format: Format | None = None,
    *,
    status: Entry = "active",
) -> ImportReport:
    """Import a SkillRL JSON file, a JSONL file, or a folder of such files.

    Everything is checked before anything is written, and one write takes all of it in.
    Of a folder, the `.json` and `.jsonl` files are read in the order of their names.

    Args:
        bank: Where to.
        path: No symbolic link, nothing behind "..", at most 50 MB a file, UTF-8.
        format: "skillrl" or "jsonl"; None to tell from the suffix.
        status: For skills that bring none along.

    Raises:
        InvalidImport: with the file, the line or JSON path in it, and what is wrong;
            nothing was imported.
        EmbeddingError: the bank's vectors are not of the bank's embedder.
    """
    if format is not None and format not in get_args(Format):
        raise InvalidQuery(f"format must be skillrl or jsonl, got {format!r:.40}")
    if status not in get_args(Entry):
        raise InvalidQuery(f"status must be 'active' or 'candidate', got {status!r:.40}")
    suffixes = [suffix for suffix, known in _SUFFIXES.items() if format in (None, known)]
    sources = read_sources(path, frozenset(suffixes))
    files = [_parse(source, format or _SUFFIXES.get(source.suffix), status) for source in sources]
    for file in files:
        check_arrivals(file.arrivals)

    def documents(taken: Sequence[Taken]) -> dict[str, str]:
        kept, start = {}, 0
        for file in files:
            end = start + len(file.arrivals)
            if isinstance(file, SkillrlFile):
                kept[SKILLRL] = file.document(taken[start:end])
            start = end
        return kept

    taken, revision = take_in(
        bank,
        [arrival for file in files for arrival in file.arrivals],
        reason=f"imported from {shown(Path(Path(path).absolute().name))[:200]}",
        documents=documents,
    )
    return report_of(taken, revision, [line for file in files for line in file.skipped])


def report_of(taken: Sequence[Taken], revision: int, skipped: Sequence[str] = ()) -> ImportReport:
    """Return what became of arrivals, sorted by it."""
    new = [one.skill for one in taken if not one.known]
    return ImportReport(
        revision=revision,
        added=tuple(skill for skill in new if skill.status != "quarantined"),
        quarantined=tuple(skill for skill in new if skill.status == "quarantined"),
        known=tuple(one.skill for one in taken if one.known),
        skipped=tuple(skipped),
    )


def _parse(source: Source, format: Format | None, status: Entry) -> SkillrlFile | JsonlFile:
    if format is None:
        raise InvalidImport(
            f"{source.name}: its format cannot be told from its name; say skillrl or jsonl"
        )
    if format == "skillrl":
        return read_skillrl(source.text, source.name, status)
    return read_jsonl(source.text, source.name, status)
