"""How long it takes to open a bank: a new one, a running one, one whose server has ended.

uv run python benchmarks/retrieval/opening.py [--times 5]
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from measure import load

from skillbank import Provenance, SkillBank, SkillDraft
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.layout import find_layout
from skillbank.embedded.locks import is_held


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    root = Path(tempfile.mkdtemp(prefix="opening-"))
    root.chmod(0o755)
    os.environ[HOME_VARIABLE] = str(root / "home")
    try:
        new = [timed(root / f"bank {number}") for number in range(times)]
        bank = SkillBank.open(root / "bank 0")
        bank.add([draft(number) for number in range(1000)])
        running = [timed(root / "bank 0") for _ in range(times)]
        bank.close()
        ended = []
        for _ in range(times):
            wait_until_ended(root / "bank 0")
            ended.append(timed(root / "bank 0"))
    finally:
        for number in range(times):
            wait_until_ended(root / f"bank {number}")
        shutil.rmtree(root, ignore_errors=True)
    for what, seconds in (("new", new), ("running", running), ("ended", ended)):
        print(
            f"{what:8} {min(seconds):.2f} to {max(seconds):.2f} s, "
            f"median {statistics.median(seconds):.2f} s"
        )
    print(f"load {load()}")


def timed(directory: Path) -> float:
    """Return how long it took until the bank had answered; it is closed again."""
    start = time.perf_counter()
    with SkillBank.open(directory) as bank:
        bank.skills()
        return time.perf_counter() - start


def wait_until_ended(directory: Path) -> None:
    """Wait until nothing of the bank's server runs."""
    layout = find_layout(directory.resolve())
    while layout is not None and (is_held(layout.server) or is_held(layout.supervisor)):
        time.sleep(0.1)


def draft(number: int) -> SkillDraft:
    """Return one of many drafts."""
    return SkillDraft(
        title=f"Skill {number}",
        principle="Look before you act.",
        when_to_apply="always",
        kind="general",
        provenance=Provenance(source="manual"),
    )


if __name__ == "__main__":
    main()
