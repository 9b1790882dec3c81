"""Commands that decide about skills: revise, merge, retire, activate, quarantine."""

import argparse

from skillbank.cli.options import Commands, add_reason, add_status, add_text_options
from skillbank.cli.target import find_skill, open_bank
from skillbank.cli.terminal import Terminal
from skillbank.cli.wording import say_change
from skillbank.skill import Provenance, Skill, SkillDraft


def register(commands: Commands) -> None:
    """Add the commands."""
    revise = commands.add("revise", revise_skill, "give a skill a new text; the rest stays")
    revise.add_argument("skill", metavar="SKILL")
    merge = commands.add("merge", merge_skills, "put one skill in the place of two or more")
    merge.add_argument("skill", metavar="SKILL")
    merge.add_argument("others", nargs="+", metavar="SKILL")
    for parser in (revise, merge):
        add_text_options(parser, required=False)
        add_status(parser)
        add_reason(parser)
    retire = commands.add("retire", retire_skill, "take a skill out of use")
    activate = commands.add("activate", activate_skill, "make a candidate, or any version, active")
    quarantine = commands.add("quarantine", quarantine_skill, "keep a version from every prompt")
    for parser in (retire, activate, quarantine):
        parser.add_argument("skill", metavar="SKILL")
        add_reason(parser)
    for parser in (activate, quarantine):
        parser.add_argument("--version", type=int, metavar="N", help="default: the likely one")


def revise_skill(options: argparse.Namespace, terminal: Terminal) -> int:
    """Give a skill a new version."""
    with open_bank(options) as bank:
        id_ = find_skill(bank, options.skill)
        draft = _changed(options, bank.get(id_))
        skill = bank.revise(id_, draft, reason=options.reason, status=options.status)
    say_change(terminal, skill)
    return 0


def merge_skills(options: argparse.Namespace, terminal: Terminal) -> int:
    """Merge skills; what no option gives is as in the first of them."""
    with open_bank(options) as bank:
        ids = [find_skill(bank, text) for text in (options.skill, *options.others)]
        draft = _changed(options, bank.get(ids[0]))
        skill = bank.merge(ids, draft, reason=options.reason, status=options.status)
    say_change(terminal, skill)
    return 0


def retire_skill(options: argparse.Namespace, terminal: Terminal) -> int:
    """Retire a skill."""
    with open_bank(options) as bank:
        skill = bank.retire(find_skill(bank, options.skill), reason=options.reason)
    say_change(terminal, skill)
    return 0


def activate_skill(options: argparse.Namespace, terminal: Terminal) -> int:
    """Make a version the active one."""
    with open_bank(options) as bank:
        id_ = find_skill(bank, options.skill)
        skill = bank.activate(id_, options.version, reason=options.reason)
    say_change(terminal, skill)
    return 0


def quarantine_skill(options: argparse.Namespace, terminal: Terminal) -> int:
    """Put a version into quarantine."""
    with open_bank(options) as bank:
        id_ = find_skill(bank, options.skill)
        skill = bank.quarantine(id_, options.version, reason=options.reason)
    say_change(terminal, skill)
    return 0


def _changed(options: argparse.Namespace, old: Skill) -> SkillDraft:
    kind = options.kind or old.kind
    if options.category is not None and options.kind is None and kind == "general":
        kind = "task"
    category = old.category if kind == old.kind and kind != "general" else None
    return SkillDraft(
        title=options.title if options.title is not None else old.title,
        principle=options.principle if options.principle is not None else old.principle,
        when_to_apply=options.when if options.when is not None else old.when_to_apply,
        kind=kind,
        category=options.category if options.category is not None else category,
        provenance=Provenance(source="manual"),
    )
