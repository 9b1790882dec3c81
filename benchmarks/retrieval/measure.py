"""Wall time beside processor time, because the machine is shared and wall time shows it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Answer = Sequence[int]
"""The rows of the workload that were found, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What one kind of query cost, in milliseconds."""

    p10: float
    """Wall time of the tenth fastest in a hundred: what it takes when nobody disturbs."""
    p50: float
    client: float
    """Processor time of this process per query."""
    server: float
    """Processor time of the server's processes per query; 0 without a server."""
    recall: float | None = None


def timed(
    ask: Callable[[int], Answer], queries: int, server: Callable[[], float], *, warm: bool = True
) -> tuple[Cell, list[Answer]]:
    """Ask every query, if `warm` for the second time, and return the cost and the answers."""
    for number in range(queries if warm else 0):
        ask(number)
    answers, walls = [], []
    server_before, client_before = server(), time.process_time()
    for number in range(queries):
        start = time.perf_counter()
        answers.append(ask(number))
        walls.append(time.perf_counter() - start)
    client, of_server = time.process_time() - client_before, server() - server_before
    walls.sort()
    cell = Cell(
        p10=walls[queries // 10] * 1e3,
        p50=walls[queries // 2] * 1e3,
        client=client / queries * 1e3,
        server=of_server / queries * 1e3,
    )
    return cell, answers


def children_cpu(parent: int) -> float:
    """Return the processor seconds that the living children of a process have had."""
    total = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                total += int((stat.parent / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile
    return total / 1e9


def load() -> str:
    """Return the load average of the last minute, to judge wall times by."""
    return Path("/proc/loadavg").read_text().split()[0]
