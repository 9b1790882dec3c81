"""Do recall and latency hold in whatever state a table is?

    uv run python benchmarks/retrieval/states.py [--rows 10000] [--dimensions 384]

A large bank and one of 300 skills share their tables. Both are searched right after a bulk
write, with the index, after a third of the large bank was revised, after that was rolled
back, and among 5,000 further banks of the tenant. Each time every search is compared with
exact search over the skills that are active.
"""

import argparse
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psycopg
from measure import children_cpu, load, timed
from ours import Precomputed, by_api, drafts_of, row_of
from run import postmaster
from workload import K, Workload, make_workload, recall

from skillbank import Citation, Proposal, SkillBank
from skillbank.embedded.account import HOME_VARIABLE
from skillbank.embedded.server import OWNER_ROLE, EmbeddedServer

_CITED = (Citation(trajectory_id="benchmark"),)
_QUERIES = 100
_BANKS = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dimensions", type=int, default=384)
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="states-"))
    root.chmod(0o755)
    os.environ[HOME_VARIABLE] = str(root / "home")
    large = make_workload(asked.rows + asked.rows // 3, asked.dimensions)
    small = make_workload(300, asked.dimensions)
    print("| state | bank | search | recall | p10 ms | p50 ms | client CPU | server CPU |")
    print("|---" * 8 + "|")
    try:
        with (
            SkillBank.open(
                root / "bank", name="large", embedder=Precomputed(large), screen=None
            ) as bank,
            SkillBank.open(
                root / "bank", name="small", embedder=Precomputed(small), screen=None
            ) as beside,
        ):
            beside.add(drafts_of(small))
            for state in states(bank, large, asked.rows, root / "bank"):
                for line in lines(state, ((bank, large), (beside, small)), root / "bank"):
                    print(line, flush=True)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(f"\nload {load()}")


def states(bank: SkillBank, workload: Workload, rows: int, directory: Path) -> Iterator[str]:
    """Bring the large bank from one state to the next, and name each."""
    drafts = drafts_of(workload)
    added = bank.add(drafts[:rows])
    yield "right after a bulk write"
    bank.optimize()
    yield "optimized"
    bank.apply(
        [
            Proposal(
                action="revise",
                draft=replace(drafts[rows + number], kind=added[3 * number].kind),
                targets=(added[3 * number].id,),
                reason="a new wording",
                citations=_CITED,
            )
            for number in range(rows // 3)
        ]
    )
    yield "a third revised"
    bank.rollback(1, reason="to see what remains")
    yield "rolled back"
    server = EmbeddedServer.open(directory)
    with psycopg.connect(server.conninfo(OWNER_ROLE)) as connection:
        connection.execute("select set_config('skillbank_rls.tenant', 'default', true)")
        connection.execute(
            "insert into skillbank.bank (id, name, tenant) select gen_random_uuid(), "
            "'bank ' || number, 'default' from generate_series(1, %s) as number",
            (_BANKS,),
        )
    server.close()
    yield f"{_BANKS:,} more banks"


def lines(
    state: str, banks: tuple[tuple[SkillBank, Workload], ...], directory: Path
) -> Iterator[str]:
    """Measure both banks, unfiltered, filtered, and the large one at its first revision."""
    parent = postmaster(directory)

    def server() -> float:
        return children_cpu(parent)

    for bank, workload in banks:
        active = np.array([row_of(skill) for skill in bank.skills()])
        for category in (None, "s4"):
            cell, answers = by_api(bank, category, _QUERIES, server)
            found = recall(answers, workload.truth(category, active)[:_QUERIES])
            costs = (cell.p10, cell.p50, cell.client, cell.server)
            figures = [f"{found:.4f}", *(f"{cost:.2f}" for cost in costs)]
            yield f"| {' | '.join([state, bank.name, category or 'all', *figures])} |"
    bank, workload = banks[0]
    then = np.array([row_of(skill) for skill in bank.skills(revision=1)])

    def pinned(number: int) -> list[int]:
        hits = bank.search(str(number), K, category="s4", revision=1)
        return [row_of(hit.skill) for hit in hits]

    cell, answers = timed(pinned, _QUERIES, server)
    found = recall(answers, workload.truth("s4", then)[:_QUERIES])
    costs = (cell.p10, cell.p50, cell.client, cell.server)
    figures = [f"{found:.4f}", *(f"{cost:.2f}" for cost in costs)]
    yield f"| {' | '.join([state, bank.name, 's4 at revision 1', *figures])} |"


if __name__ == "__main__":
    main()
