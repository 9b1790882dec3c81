"""The ledger: everything a run consumed, each event once however often it is reported."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from skillrl_envs.jsonl import JsonlWriter, read_jsonl
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageRecord


class Ledger:
    """The usage records of one run."""

    def __init__(self, path: Path) -> None:
        self._records = {record.idempotency_key: record for record in read_jsonl(UsageRecord, path)}
        self._writer = JsonlWriter(path)
        self._inner: list[float] = []

    def add(self, record: UsageRecord) -> None:
        """Write a record unless its event is already there. Fits UsageSink."""
        if record.idempotency_key not in self._records:
            self._writer.write(record)
            self._records[record.idempotency_key] = record

    @contextmanager
    def cpu_time(self, stage: str, cause: str) -> Iterator[None]:
        """Record the processor time of the enclosed work in this process.

        Time inside a further `cpu_time` is that one's. A killed process records nothing.
        """
        start = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            whole = time.process_time() - start
            own = whole - self._inner.pop()  # what is enclosed has records of its own
            if self._inner:
                self._inner[-1] += whole
            # Time is spent anew by every sitting, so each is an event of its own.
            self.add(
                UsageRecord(
                    stage=stage,
                    what="cpu",
                    quantity=round(own, 3),
                    unit="seconds",
                    price=None,
                    cause_id=cause,
                    idempotency_key=f"{cause}/cpu/{time.time_ns()}",
                )
            )

    def add_tokens(self, stage: str, cause: str, episodes: Sequence[Trajectory]) -> None:
        """Record what the agent's own model read and wrote in one unit of work."""
        for what, quantity in (
            ("prompt tokens", sum(episode.prompt_tokens for episode in episodes)),
            ("completion tokens", sum(episode.completion_tokens for episode in episodes)),
            ("wasted tokens", sum(episode.wasted_tokens for episode in episodes)),
        ):
            if what == "wasted tokens" and not quantity:
                continue
            self.add(
                UsageRecord(
                    stage=stage,
                    what=what,
                    quantity=float(quantity),
                    unit="tokens",
                    price=None,
                    cause_id=cause,
                    idempotency_key=f"{cause}/{what}",
                )
            )

    def records(self) -> list[UsageRecord]:
        """Return every event, once."""
        return list(self._records.values())

    def close(self) -> None:
        """Close the file."""
        self._writer.close()
