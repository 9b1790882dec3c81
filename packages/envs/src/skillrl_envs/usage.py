"""UsageRecord: one thing that was consumed, so that every cost can be added up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageRecord:
    """A quantity used by a stage of a run."""

    schema_version: ClassVar[int] = 1

    stage: str
    """Such as "collect", "distill", "rl", "eval"."""
    what: str
    """Such as "prompt_tokens", "cpu_seconds", "teacher_call"."""
    quantity: float
    unit: str
    price: float | None
    """US dollars for the whole quantity; None where the price is unknown, never 0 for unknown."""
    cause_id: str
    """The trajectory, call or stage that used it."""
    idempotency_key: str
    """Equal keys are one event, however often it is reported (after a resume, say)."""


UsageSink = Callable[[UsageRecord], None]
"""Where packages report usage; the app alone writes the ledger."""
