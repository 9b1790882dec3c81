"""Commands that only read: search, list, show, history, diff, duplicates, stats."""

import argparse
import difflib
from collections.abc import Iterator
from typing import get_args

from skillbank.changes import Change
from skillbank.cli.options import Commands, add_revision
from skillbank.cli.target import find_revision, find_skill, number_of, open_bank
from skillbank.cli.terminal import Terminal
from skillbank.cli.wording import say_skills, scope, source, uplift
from skillbank.estimators import summarise
from skillbank.retrieval import KINDS
from skillbank.schema import to_record
from skillbank.skill import Kind, Skill, Status
from skillbank.snapshots import Diff


def register(commands: Commands) -> None:
    """Add the commands."""
    search = commands.add("search", search_skills, "search the active skills")
    search.add_argument("query", metavar="QUERY")
    search.add_argument("-k", type=int, default=10, metavar="K", help="most hits (default: 10)")
    search.add_argument("--category", help="only skills of this category")
    search.add_argument("--kind", action="append", choices=get_args(Kind), help="may be repeated")
    search.add_argument(
        "--mode",
        choices=("text", "embedding", "hybrid"),
        help="default: embedding with --embedder, else text",
    )
    search.add_argument("--min-score", type=float, metavar="X", help="drop hits below X")
    add_revision(search)
    lister = commands.add("list", list_skills, "list the skills, oldest first")
    lister.add_argument(
        "--status", choices=(*get_args(Status), "any"), default="active", help="default: active"
    )
    lister.add_argument("--category", help="only skills of this category")
    lister.add_argument("--kind", choices=get_args(Kind))
    add_revision(lister)
    show = commands.add("show", show_skill, "show a skill with its provenance and evidence")
    show.add_argument("skill", metavar="SKILL")
    show.add_argument("--version", type=int, metavar="N", help="default: the active one")
    history = commands.add(
        "history", show_history, "show the versions of a skill and what made them"
    )
    history.add_argument("skill", metavar="SKILL")
    diff = commands.add("diff", show_diff, "show what became of the active skills")
    diff.add_argument("before", metavar="REVISION")
    diff.add_argument("after", nargs="?", metavar="REVISION", help="default: now")


def search_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """Search."""
    with open_bank(options, terminal) as bank:
        hits = bank.search(
            options.query,
            options.k,
            category=options.category,
            kinds=options.kind or KINDS,
            mode=options.mode,
            min_score=options.min_score,
            revision=find_revision(bank, options.revision),
        )
    if terminal.as_json:
        terminal.data([to_record(hit) for hit in hits])
        return 0
    for hit in hits:
        skill, score = hit.skill, "-" if hit.score is None else f"{hit.score:.3f}"
        terminal.say(f"{score}  skill {number_of(skill.id)}  {skill.title}  ({scope(skill)})")
        terminal.say(f"       {skill.principle}")
        terminal.say(f"       When: {skill.when_to_apply}")
    if not hits:
        terminal.note("nothing found")
    return 0


def list_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """List."""
    status = None if options.status == "any" else options.status
    with open_bank(options, terminal) as bank:
        skills = bank.skills(revision=find_revision(bank, options.revision), status=status)
    say_skills(
        terminal,
        [
            skill
            for skill in skills
            if options.kind in (None, skill.kind) and options.category in (None, skill.category)
        ],
    )
    return 0


def show_skill(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show one version of a skill."""
    with open_bank(options) as bank:
        skill = bank.get(find_skill(bank, options.skill), options.version)
        found = summarise(bank.evidence(skill.id))
    if terminal.as_json:
        terminal.data({"skill": to_record(skill), "evidence": found})
        return 0
    reason = "" if skill.status_reason is None else f" ({skill.status_reason})"
    lines = {
        "skill": f"{number_of(skill.id)} version {skill.version}, id {skill.id}",
        "title": skill.title,
        "principle": skill.principle,
        "when": skill.when_to_apply,
        "for": scope(skill),
        "status": f"{skill.status}{reason}",
        "since": f"revision {skill.created_revision}",
        "source": source(skill.provenance),
        "evidence": f"{found.uses} uses, {found.wins} wins, {found.withheld} times withheld",
        "uplift": f"{uplift(found.success_difference)} (success, shown against withheld)",
    }
    for name, text in lines.items():
        terminal.say(f"{name:<10}{text}")
    for citation in skill.provenance.citations:
        steps = ", ".join(map(str, citation.steps)) or "all"
        terminal.say(f"{'citation':<10}{citation.trajectory_id}, steps {steps}")
    return 0


def show_history(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show the versions of a skill, and the changes it took part in."""
    with open_bank(options) as bank:
        id_ = find_skill(bank, options.skill)
        versions, changes = bank.history(id_), bank.changes(id_)
    if terminal.as_json:
        terminal.data(
            {
                "versions": [to_record(skill) for skill in versions],
                "changes": [to_record(change) for change in changes],
            }
        )
        return 0
    say_skills(terminal, versions)
    terminal.say()
    for change in changes:
        terminal.say(_change_line(change))
    return 0


def show_diff(options: argparse.Namespace, terminal: Terminal) -> int:
    """Show what was added, removed and revised."""
    with open_bank(options) as bank:
        before = find_revision(bank, options.before)
        diff = bank.diff(before or 0, find_revision(bank, options.after))
    if terminal.as_json:
        terminal.data(
            {
                "before": diff.before,
                "after": diff.after,
                "added": [to_record(skill) for skill in diff.added],
                "removed": [to_record(skill) for skill in diff.removed],
                "revised": [[to_record(old), to_record(new)] for old, new in diff.revised],
            }
        )
        return 0
    for line in _diff_lines(diff):
        terminal.say(line)
    return 0


def _change_line(change: Change) -> str:
    parents = "".join(
        f" from skill {number_of(parent.skill_id)} version {parent.version}"
        for parent in change.parents
    )
    what = f"{change.action} skill {number_of(change.skill_id)} version {change.version}"
    return f"revision {change.revision}: {what}{parents}: {change.reason}"


def _diff_lines(diff: Diff) -> Iterator[str]:
    yield f"revision {diff.before} to {diff.after}"
    for sign, skills in (("+", diff.added), ("-", diff.removed)):
        for skill in skills:
            yield f"{sign} skill {number_of(skill.id)} version {skill.version}: {skill.title}"
    for old, new in diff.revised:
        yield f"~ skill {number_of(new.id)} version {old.version} to {new.version}: {new.title}"
        compared = difflib.ndiff(_fields(old), _fields(new))
        yield from (f"    {line}" for line in compared if line[0] in "+-")


def _fields(skill: Skill) -> list[str]:
    return [
        f"title: {skill.title}",
        f"principle: {skill.principle}",
        f"when: {skill.when_to_apply}",
        f"for: {scope(skill)}",
    ]
