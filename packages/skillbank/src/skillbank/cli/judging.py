"""Commands that sum a bank up: stats, duplicates."""

import argparse
from collections import Counter
from typing import get_args

from skillbank.cli.options import Commands
from skillbank.cli.target import number_of, open_bank
from skillbank.cli.terminal import Terminal
from skillbank.cli.wording import uplift
from skillbank.estimators import Estimates
from skillbank.reading import BankReader
from skillbank.retrieval import KINDS
from skillbank.skill import Skill, Status


def register(commands: Commands) -> None:
    """Add the commands."""
    stats = commands.add("stats", show_stats, "count the skills, and say what the evidence tells")
    stats.add_argument("--top", type=int, default=20, metavar="N", help="most skills (default: 20)")
    duplicates = commands.add("duplicates", show_duplicates, "list skills that say nearly the same")
    duplicates.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="least likeness, to 1 (default: 0.92 of vectors, 0.5 of texts)",
    )


def show_stats(options: argparse.Namespace, terminal: Terminal) -> int:
    """Count, and print the estimates of the most used skills."""
    if options.top < 0:
        options.parser.error("--top must be at least 0")
    with open_bank(options, terminal) as bank:
        by_status = {
            status: Counter(skill.kind for skill in bank.skills(status=status))
            for status in get_args(Status)
        }
        active = bank.skills()
        estimates = bank.estimates()
        titles = _titles(bank, active, estimates)
        revision, snapshots = bank.revision, bank.snapshots()
    categories = Counter(skill.category for skill in active if skill.category is not None)
    ranked = sorted(estimates.items(), key=lambda pair: (-pair[1].uses, pair[0]))[: options.top]
    if terminal.as_json:
        terminal.data(
            {
                "revision": revision,
                "snapshots": {snapshot.name: snapshot.revision for snapshot in snapshots},
                "skills": {status: dict(counts) for status, counts in by_status.items()},
                "categories": dict(categories),
                "estimates": dict(ranked),
            }
        )
        return 0
    terminal.say(f"revision {revision}, {len(snapshots)} snapshots")
    terminal.say()
    terminal.table(
        ("status", *KINDS),
        [(status, *(counts[kind] for kind in KINDS)) for status, counts in by_status.items()],
    )
    if categories:
        terminal.say()
        terminal.table(("category", "active"), categories.most_common())
    if ranked:
        terminal.say()
        _say_estimates(terminal, [(id_, titles[id_], found) for id_, found in ranked])
    return 0


def show_duplicates(options: argparse.Namespace, terminal: Terminal) -> int:
    """List pairs of active skills that are nearly the same."""
    with open_bank(options, terminal) as bank:
        titles = {skill.id: skill.title for skill in bank.skills()}
        pairs = bank.near_duplicates(options.threshold)
    if terminal.as_json:
        terminal.data(pairs)
        return 0
    for pair in pairs:
        first, second = pair.first.skill_id, pair.second.skill_id
        terminal.say(
            f"{pair.similarity:.3f}  skill {number_of(first)}, {titles.get(first)}  ~  "
            f"skill {number_of(second)}, {titles.get(second)}"
        )
    if pairs:
        terminal.note("'skillbank merge' puts one skill in the place of two")
    return 0


def _titles(
    bank: BankReader, active: list[Skill], estimates: dict[str, Estimates]
) -> dict[str, str]:
    titles = {skill.id: skill.title for skill in active}
    return {id_: titles.get(id_) or bank.get(id_).title for id_ in estimates}


def _say_estimates(terminal: Terminal, rows: list[tuple[str, str, Estimates]]) -> None:
    terminal.table(
        ("skill", "uses", "wins", "win rate", "uplift of success", "title"),
        [
            (
                number_of(id_),
                found.uses,
                found.wins,
                f"[{found.win_rate.low:.2f}, {found.win_rate.high:.2f}]",
                uplift(found.success_difference),
                title,
            )
            for id_, title, found in rows
        ],
    )
