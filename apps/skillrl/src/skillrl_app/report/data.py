"""What a report is made of: its whole input, and nothing about how it looks."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from skillbank.skill import Skill
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageRecord

Arm = Literal["skills given", "skills withheld", "no skills"]
"""given and withheld: one policy, with and without the bank in its prompt;
no skills: a policy that never had a bank."""

STAGES = ("before SFT", "after SFT", "after RL")
"""The labels a full run measures, in order; one that is missing reads "not run yet"."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A name and its value, as one row of a table."""

    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Wins of n episodes under one name."""

    name: str
    n: int
    wins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GameResult:
    """One game of an evaluation, over all the seeds it was played with."""

    game: str
    """The task's id; the key by which two evaluations are paired."""
    category: str
    n: int
    """Episodes played, one per seed."""
    wins: int

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        if not 0 <= self.wins <= self.n or self.n == 0:
            raise ValueError(f"game {self.game!r}: {self.wins} wins of {self.n} episodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalResult:
    """One evaluation: one policy, one arm, each game of a fixed list."""

    label: str
    """When it was measured: one of STAGES, or a label of the caller's own."""
    arm: Arm
    split: str
    games: tuple[GameResult, ...]

    def __post_init__(self) -> None:
        """Refuse a game that is counted twice."""
        if len({game.game for game in self.games}) < len(self.games):
            raise ValueError(f"evaluation {self.label!r} on {self.split!r} repeats a game")

    @property
    def overall(self) -> Tally:
        """All games together."""
        return _tally(self.arm, self.games)

    def by_category(self) -> tuple[Tally, ...]:
        """One tally per task type, in alphabetical order."""
        names = sorted({game.category for game in self.games})
        return tuple(_tally(x, [g for g in self.games if g.category == x]) for x in names)

    def minus(self, other: "EvalResult") -> tuple[float, ...]:
        """Per-game differences in success rate, over the games both played."""
        theirs = {game.game: game.wins / game.n for game in other.games}
        return tuple(g.wins / g.n - theirs[g.game] for g in self.games if g.game in theirs)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """One iteration of training, over its own rollouts."""

    iteration: int
    n: int
    wins: int
    invalid_rate: float | None = None
    """Share of steps whose reply was no admissible action, 0..1."""
    bank_revision: int | None = None
    """The revision the rollouts were played with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BankSkill:
    """A skill with how often it stood in a prompt."""

    skill: Skill
    shown: int
    """Episodes in which it was shown."""
    wins: int
    """Those of them that succeeded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrowthPoint:
    """How many skills the bank held at one revision."""

    revision: int
    when: str
    """What made the revision, such as "distilled" or "iteration 5"."""
    active: int
    candidate: int = 0
    retired: int = 0
    quarantined: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one proposed change to the bank."""

    action: Literal["add", "revise", "merge", "retire"]
    title: str
    accepted: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolutionRound:
    """One look at the training failures."""

    iteration: int
    seen: int
    """Failed training episodes looked at."""
    asked: int
    """Questions put to the teacher."""
    answered: int
    """Answers that came back and could be read."""
    decisions: tuple[Decision, ...] = ()
    bank_revision: int | None = None
    """The revision it made; None where the bank stayed as it was."""
    error: str | None = None
    """Why the round broke off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostRow:
    """A quantity one stage used, and its price."""

    stage: str
    what: str
    quantity: float
    unit: str
    price: float | None
    """US dollars; None where unknown, which is not 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything the page shows; an empty part is shown as not run yet."""

    run_id: str
    method: str
    created: str
    """ISO 8601."""
    seed: int
    environment: tuple[Fact, ...] = ()
    """The environment in a few facts: name, games per split, horizon."""
    config: tuple[Fact, ...] = ()
    """The resolved configuration, one dotted key per row."""
    reproduce: tuple[str, ...] = ()
    """Command lines that repeat the run."""
    notes: tuple[str, ...] = ()
    """What a reader must know before the numbers, a sentence each."""
    evals: tuple[EvalResult, ...] = ()
    learning_curve: tuple[CurvePoint, ...] = ()
    bank: tuple[BankSkill, ...] = ()
    bank_growth: tuple[GrowthPoint, ...] = ()
    evolution: tuple[EvolutionRound, ...] = ()
    episodes: tuple[Trajectory, ...] = ()
    """A few, to be replayed; the ones that skills cite are linked to."""
    costs: tuple[CostRow, ...] = ()


def cost_rows(records: Iterable[UsageRecord]) -> tuple[CostRow, ...]:
    """Add usage up by stage and quantity; priced and unpriced usage stay apart.

    A record repeated under one idempotency key counts once.
    """
    sums: dict[tuple[str, str, str, bool], tuple[float, float]] = {}
    for record in {record.idempotency_key: record for record in records}.values():
        key = (record.stage, record.what, record.unit, record.price is None)
        quantity, price = sums.get(key, (0.0, 0.0))
        sums[key] = (quantity + record.quantity, price + (record.price or 0.0))
    return tuple(
        CostRow(stage=s, what=w, quantity=quantity, unit=u, price=None if unknown else price)
        for (s, w, u, unknown), (quantity, price) in sums.items()
    )


def _tally(name: str, games: Iterable[GameResult]) -> Tally:
    kept = list(games)
    return Tally(name=name, n=sum(g.n for g in kept), wins=sum(g.wins for g in kept))
