"""Many writers and readers of one bank at once: nothing is lost and nothing is seen by half."""

import subprocess
import sys
from pathlib import Path

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "bank_concurrency.py"


def test_many_writers_and_readers_lose_nothing(
    fresh_directory: Path, bank_environment: dict[str, str], tmp_path: Path
) -> None:
    results = tmp_path / "results.txt"
    done = subprocess.run(
        [
            *(sys.executable, str(BENCHMARK), "--seconds=5", "--writers=32", "--readers=32"),
            *("--processes=2", f"--directory={fresh_directory}", f"--results={results}"),
        ],
        env=bank_environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing half, nothing unseen" in done.stdout
    calls = {line[:20].strip(): int(line[20:28]) for line in results.read_text().splitlines()[2:-1]}
    for operation in ("add", "revise", "skills", "search", "retrieve hybrid"):
        assert calls[operation] > 0
