"""Every Python block of the READMEs and docs runs, and prints what the text says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "packages/*/README.md", "apps/*/README.md", "docs/**/*.md")
    for page in ROOT.glob(pattern)
)
_FENCE = re.compile(r"^```python\n(.*?)^```\n(?:\s*which prints `([^`]*)`)?", re.S | re.M)
EXAMPLES = [
    pytest.param(found.group(1), found.group(2), id=f"{page.relative_to(ROOT)}:{number}")
    for page in PAGES
    for number, found in enumerate(_FENCE.finditer(page.read_text(encoding="utf-8")))
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize(("code", "printed"), EXAMPLES)
def test_the_example_runs(
    code: str, printed: str | None, tmp_path: Path, bank_root: object
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    if printed is not None:
        assert done.stdout.strip() == printed


def test_every_command_of_the_cli_is_in_its_readme() -> None:
    readme = (ROOT / "apps" / "skillrl" / "README.md").read_text(encoding="utf-8")
    source = (ROOT / "apps/skillrl/src/skillrl_app/cli.py").read_text(encoding="utf-8")
    commands = re.findall(r'add_parser\(\s*"(\w+)"', source)
    assert len(commands) >= 5
    assert [name for name in commands if f"`skillrl {name}" not in readme] == []


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            if not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []
