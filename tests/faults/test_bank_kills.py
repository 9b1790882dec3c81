"""A small sample of `benchmarks/bank_kills.py`: what was acknowledged survives every kill."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "bank_kills.py"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("ps") is None, reason="finds processes with ps")
def test_nothing_acknowledged_is_lost_and_no_server_is_left(bank_root: Path) -> None:
    place = bank_root / "kills"
    place.mkdir()
    options = ["--kills=10", "--seed=3", "--writers=3", f"--place={place}"]
    done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    kills = {kind: int(number) for kind, number in re.findall(r"^(\w+) +(\d+) ", done.stdout, re.M)}
    assert sum(kills.values()) == 10
    assert kills.keys() >= {"client", "postmaster", "supervisor"}
    written = re.search(r"acknowledged writes (\d+), lost 0$", done.stdout, re.M)
    assert written is not None, done.stdout
    assert int(written.group(1)) > 10
    assert re.search(r"servers left after 30 s: 0$", done.stdout, re.M)
