"""The options that every command has, and how commands add their own."""

import argparse
import os
from collections.abc import Callable
from typing import get_args

from skillbank.cli.terminal import Terminal
from skillbank.skill import Kind

Run = Callable[[argparse.Namespace, Terminal], int]
"""Carries out a command and returns its exit code."""

_EPILOG = """\
SKILL is a skill's number, which 'list' shows, or its id. REVISION is a number or the
name of a snapshot. The bank is --bank, else $SKILLBANK, else ./bank; the embedder is
--embedder, else $SKILLBANK_EMBEDDER, else none.

exit codes: 0 done, 1 refused or failed, 2 wrong call, 130 interrupted
"""


class Commands:
    """The parsers of the commands."""

    def __init__(self) -> None:
        """Make the parser of `skillbank` itself."""
        self.parser = argparse.ArgumentParser(
            prog="skillbank",
            description="A versioned bank of skills for language agents.",
            epilog=_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_shared(self.parser, default=True)
        self._shared = argparse.ArgumentParser(add_help=False)
        _add_shared(self._shared, default=False)
        self._commands = self.parser.add_subparsers(metavar="COMMAND", required=True)
        self.names: list[str] = []

    def add(self, name: str, run: Run, summary: str) -> argparse.ArgumentParser:
        """Add a command; the shared options may also stand behind its name."""
        parser = self._commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            parents=[self._shared],
        )
        parser.set_defaults(run=run, parser=parser)
        self.names.append(name)
        return parser


def add_text_options(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Let a command take a skill's text."""
    parser.add_argument("--title", required=required, help="what the skill is called")
    parser.add_argument("--principle", required=required, help="what to do")
    parser.add_argument("--when", required=required, help="when to apply it")
    parser.add_argument("--kind", choices=get_args(Kind), help="default: task with --category")
    parser.add_argument("--category", help="the kind of task it is for")


def add_reason(parser: argparse.ArgumentParser) -> None:
    """Let a command take the reason of a decision, which the log keeps."""
    parser.add_argument("--reason", required=True, help="why; the bank's log keeps it")


def add_status(parser: argparse.ArgumentParser) -> None:
    """Let a command take the status in which new text enters."""
    parser.add_argument(
        "--status",
        choices=("active", "candidate"),
        default="active",
        help="what new text enters as; a candidate is not searched (default: active)",
    )


def add_revision(parser: argparse.ArgumentParser) -> None:
    """Let a command read the bank as it was."""
    parser.add_argument("--revision", metavar="REVISION", help="as of then (default: now)")


def _add_shared(parser: argparse.ArgumentParser, *, default: bool) -> None:
    group = parser.add_argument_group("the bank")

    def add(name: str, value: object, metavar: str | None, text: str) -> None:
        kept = value if default else argparse.SUPPRESS
        if metavar is None:
            group.add_argument(name, action="store_true", default=kept, help=text)
        else:
            group.add_argument(name, default=kept, metavar=metavar, help=text)

    environment = os.environ
    bank = environment.get("SKILLBANK") or "./bank"
    add("--bank", bank, "DIR_OR_URL", "a directory, or a postgresql:// URL")
    add("--name", "default", "NAME", "the bank within the database (default: default)")
    add("--tenant", "default", "TENANT", "whose bank it is (default: default)")
    add("--schema", "skillbank", "SCHEMA", "where a server keeps the tables (default: skillbank)")
    embedder = environment.get("SKILLBANK_EMBEDDER") or None
    add("--embedder", embedder, "SPEC", "hashing, minilm, sentence-transformers, litellm:MODEL")
    add("--json", False, None, "print results as JSON")
