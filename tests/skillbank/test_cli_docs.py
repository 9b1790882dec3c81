"""Every command of the page on the command line runs, and prints what the page says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from skillbank.cli import commands

PAGE = Path(__file__).parents[2] / "docs" / "skillbank" / "command-line.md"


def examples() -> Iterator[tuple[str, str]]:
    """(command, what it prints) of the page, in order; nothing where it does not say."""
    text = PAGE.read_text(encoding="utf-8")
    for fence in re.findall(r"^```(?:console|sh)\n(.*?)^```", text, re.S | re.M):
        for example in re.split(r"^\$ ", fence, flags=re.M)[1:]:
            command, _, printed = example.partition("\n")
            yield command, printed


def test_every_example_of_the_page_runs(
    bank_root: Path, bank_environment: dict[str, str], tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "skillbank"
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m skillbank.cli "$@"\n')
    program.chmod(0o755)
    folder = bank_root / "page"
    folder.mkdir()
    environment = {**bank_environment, "PATH": f"{programs}:{bank_environment['PATH']}"}
    environment["SKILLBANK"] = str(bank_root / "page-bank")
    found = list(examples())
    assert len(found) > 20
    for command, printed in found:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, (command, done.stdout)
        if printed:
            assert done.stdout == printed, command


def test_every_command_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    names = commands().names
    assert len(names) == 22
    assert [name for name in names if not re.search(rf"`{name}`|skillbank {name}\b", text)] == []
