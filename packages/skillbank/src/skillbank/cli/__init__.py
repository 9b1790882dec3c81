"""The command line: `skillbank COMMAND`; `skillbank --help` lists the commands.

Exit codes: 0 done, 1 refused or failed, 2 the call was wrong, 130 interrupted.
"""

import os
import sys
from collections.abc import Sequence

from skillbank.cli import curating, doctor, entering, judging, keeping, leaving, looking
from skillbank.cli.options import Commands
from skillbank.cli.terminal import Terminal, hide_passwords
from skillbank.errors import SkillbankError


def commands() -> Commands:
    """Return the parser of every command."""
    every = Commands()
    for group in (entering, looking, judging, curating, leaving, keeping, doctor):
        group.register(every)
    return every


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Raises:
        SystemExit: with 2 for a wrong call, with 0 for --help.
    """
    options = commands().parser.parse_args(arguments)
    terminal = Terminal(as_json=options.json)
    try:
        return int(options.run(options, terminal))
    except KeyboardInterrupt:
        terminal.note("interrupted; what was finished is kept, and nothing is half-written")
        return 130
    except BrokenPipeError:
        # Whoever read the output has left; without this, Python complains once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (SkillbankError, OSError) as err:
        terminal.note(hide_passwords(str(err), url=options.bank))
        return 1
