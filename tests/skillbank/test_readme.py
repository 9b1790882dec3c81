import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[2] / "packages" / "skillbank" / "README.md"


def test_the_readmes_example_prints_what_it_says(
    bank_root: Path, bank_environment: dict[str, str]
) -> None:
    text = README.read_text(encoding="utf-8")
    program, printed = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=bank_root,
        env=bank_environment,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (printed, "")
