"""Search and ingest of skillbank beside other stores, on the same data in one run.

    uv run python benchmarks/retrieval/run.py [CELL ...] [--peers NAME ...] [--out FILE]

A CELL is ROWSxDIMENSIONS; the default is all six. Peers run in an environment of their own
(`peers.py`, which needs `uv`), each in its own process, under a cap. Tables go to the
standard output and to FILE.md, figures to FILE.json.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from measure import children_cpu, load
from ours import Precomputed, by_api, by_store, fill, other_reads
from report import tables
from server import Server, tcp_server
from workload import QUERIES, SEED, SHARES, Workload, make_workload, recall

from skillbank import SkillBank
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.layout import find_layout

CELLS = ("1000x384", "1000x1024", "10000x384", "10000x1024", "100000x384", "100000x1024")
PEERS = ("numpy", "chromadb", "mem0", "langchain-postgres")
Figures: TypeAlias = dict[str, Any]
"""Kind of query -> what it cost; "fill" and "optimize" -> what those cost."""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("cells", nargs="*", default=CELLS, metavar="CELL")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--cap", type=float, default=900.0, help="seconds a peer may take")
    parser.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="retrieval-", dir=asked.place))
    root.chmod(0o755)  # the server's account has to pass
    os.environ[HOME_VARIABLE] = str(root / "home")
    figures: dict[str, dict[str, Figures]] = {}
    try:
        with tcp_server(root / "tcp") as server:
            for cell in asked.cells:
                figures[cell] = {}
                for name, store_figures in stores(cell, asked.peers, asked.cap, root, server):
                    figures[cell][name] = store_figures
                    text = f"{header()}\n\n{tables(figures)}"
                    if asked.out is not None:
                        asked.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
                        asked.out.with_suffix(".json").write_text(
                            json.dumps(figures, indent=1) + "\n", encoding="utf-8"
                        )
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(text)


def stores(
    cell: str, peers: list[str], cap: float, root: Path, server: Server
) -> Iterator[tuple[str, Figures]]:
    """Measure one store after the other, ours first."""
    n, dimensions = (int(part) for part in cell.split("x"))
    workload = make_workload(n, dimensions)
    beside = make_workload(max(n // 100, 10), dimensions)
    directory = root / f"bank-{cell}"
    yield "skillbank", ours(str(directory), workload, beside, lambda: postmaster(directory))
    yield "skillbank, TCP", ours(server.url, workload, beside, lambda: server.postmaster)
    for name in peers:
        yield name, peer(name, n, dimensions, server, root / f"{name}-{cell}", cap)


def ours(target: str, workload: Workload, beside: Workload, parent: Callable[[], int]) -> Figures:
    """Fill a bank and a small one beside it in the same tables, and search both."""
    name = f"{len(workload.vectors)}x{workload.vectors.shape[1]}"

    def open_bank(name: str, workload: Workload) -> SkillBank:
        embedder = Precomputed(workload)
        return SkillBank.open(target, name=name, embedder=embedder, screen=None)

    with open_bank(name, workload) as bank, open_bank(f"{name} small", beside) as small:
        postgres = parent()

        def server() -> float:
            return children_cpu(postgres)

        figures: Figures = {"load before": load(), "fill": fill(bank, workload, server)}
        fill(small, beside, server)
        cell, answers = by_api(bank, None, 50, server, warm=False)
        figures["all, right after"] = asdict(cell) | {
            "recall": recall(answers, workload.truth(None)[:50])
        }
        start = time.perf_counter()
        bank.optimize()
        figures["optimize"] = {"wall": time.perf_counter() - start}
        for category in (None, *SHARES):
            cell, answers = by_api(bank, category, QUERIES, server)
            found = recall(answers, workload.truth(category))
            figures[category or "all"] = asdict(cell) | {"recall": found}
        cell, answers = by_store(bank, workload, None, QUERIES, server)
        figures["all, store"] = asdict(cell) | {"recall": recall(answers, workload.truth(None))}
        cell, answers = by_api(small, None, QUERIES, server)
        figures["bank 1 %"] = asdict(cell) | {"recall": recall(answers, beside.truth(None))}
        for what, cell in other_reads(bank, server):
            figures[what] = asdict(cell)
        return figures | {"load after": load()}


def peer(
    name: str, n: int, dimensions: int, server: Server, directory: Path, cap: float
) -> Figures:
    """Run a peer in its own process and return its figures, or why there are none."""
    script = Path(__file__).with_name("peers.py")
    command = ["uv", "run", "--script", str(script), name, str(n), str(dimensions)]
    command += ["-", str(server.postmaster), str(directory)]
    environment = {**os.environ, "POSTGRES_URL": server.url}
    before = load()
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=cap, env=environment)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done in {cap:.0f} s", "load before": before}
    if done.returncode != 0:
        return {"failed": done.stderr.strip().splitlines()[-1], "load before": before}
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures | {"load before": before, "load after": load()}


def postmaster(directory: Path) -> int:
    """Return the process of the server of a bank's directory."""
    layout = find_layout(directory.resolve())
    if layout is None:
        raise RuntimeError(f"{directory} is no bank")
    return int((layout.data / "postmaster.pid").read_text(encoding="ascii").split("\n")[0])


def header() -> str:
    """Say when and where."""
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"{day}, {os.cpu_count()} CPUs ({platform.machine()}), Python "
        f"{platform.python_version()}, seed {SEED}, {QUERIES} queries a cell, top 10"
    )


if __name__ == "__main__":
    main()
