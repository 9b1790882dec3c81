"""Evolution: the bank learns from what training gets wrong. Torch-free.

Only episodes of the training split come in. Who proposes is passed in as a callable, so
that a machine that trains needs no teacher client.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from skillbank import ApplyReport, Proposal
from skillrl_envs.trajectory import Trajectory

Propose = Callable[[Sequence[Trajectory], Sequence[Trajectory], int], Sequence[Proposal]]
"""(failed episodes, successful ones as a contrast, most new skills wanted) -> proposals
that cite the failures."""


class Bank(Protocol):
    """The part of a skill bank that evolution needs."""

    @property
    def revision(self) -> int:
        """The newest revision."""
        ...

    def apply(self, proposals: Sequence[Proposal], *, key: str | None) -> ApplyReport:
        """Apply what can be applied, once per key, and say what could not be."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolutionSettings:
    """When the bank is looked at again, and how much may change."""

    every: int = 10
    """Iterations between two rounds; 0 for no evolution (the paper's: 5 steps)."""
    lag: int = 1
    """Iterations after a round until its skills are used, always exactly so many."""
    floor: float = 0.9
    """A category at or above this success rate (0..1) is left alone (the paper's: 0.4)."""
    max_new_skills: int = 3
    """Most skills added per round (the paper's value)."""
    max_failures: int = 10
    """Most failed episodes shown to the teacher per round (the paper's value)."""

    def __post_init__(self) -> None:
        if self.every < 0 or self.lag < 0:
            raise ValueError(f"every and lag must be at least 0, got {self.every} and {self.lag}")
        if not 0.0 <= self.floor <= 1.0:
            raise ValueError(f"floor must be in [0, 1], got {self.floor}")
        if self.max_new_skills < 1 or self.max_failures < 1:
            raise ValueError(
                f"max_new_skills and max_failures must be at least 1, got {self.max_new_skills} "
                f"and {self.max_failures}"
            )

    def is_due(self, iteration: int) -> bool:
        """Whether a round comes before the playing of `iteration` (0-based)."""
        return self.every > 0 and iteration > 0 and iteration % self.every == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one proposal."""

    action: str
    """add, revise, merge or retire."""
    title: str
    """Of the proposed skill; for retire, the ids that were to go."""
    skill_id: str | None
    """None when it was rejected."""
    why: str
    """The proposal's reason if it was accepted, else why it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolutionRound:
    """What one round saw, asked and changed."""

    seen: int
    """Episodes looked at."""
    success_by_category: dict[str, float]
    asked: tuple[str, ...]
    """Ids of the failed episodes shown to the teacher."""
    decisions: tuple[Decision, ...]
    """One per proposal, in order."""
    revision: int
    """The bank's revision afterwards."""


def evolve_bank(
    bank: Bank,
    episodes: Sequence[Trajectory],
    settings: EvolutionSettings,
    propose: Propose,
    *,
    key: str,
) -> EvolutionRound:
    """Ask for skills against the failures of weak categories, and apply the answers.

    Args:
        bank: Changed at most once per `key`, so that a resumed run repeats nothing.
        episodes: What was played in training since the last round.
        settings: When to ask, and how much may change.
        propose: Asks the teacher.
        key: Names this round; equal keys are one round.
    """
    rates = success_rates(episodes)
    failures = select_failures(episodes, settings)
    categories = {episode.task.category for episode in failures}
    contrast = [e for e in episodes if e.outcome.success and e.task.category in categories]
    limit = settings.max_new_skills
    proposals = list(propose(failures, contrast, limit)) if failures else []
    kept = _without_surplus(proposals, limit)
    report = bank.apply([proposals[i] for i in kept], key=key) if kept else None
    return EvolutionRound(
        seen=len(episodes),
        success_by_category=rates,
        asked=tuple(episode.id for episode in failures),
        decisions=tuple(_decisions(proposals, kept, report)),
        revision=report.revision if report else bank.revision,
    )


def _without_surplus(proposals: Sequence[Proposal], most_new: int) -> list[int]:
    """Return the indices of all proposals but the additions above the limit."""
    kept, new = [], 0
    for index, proposal in enumerate(proposals):
        new += proposal.action == "add"
        if proposal.action != "add" or new <= most_new:
            kept.append(index)
    return kept


def _decisions(
    proposals: Sequence[Proposal], kept: Sequence[int], report: ApplyReport | None
) -> Iterator[Decision]:
    # The bank numbers what it was given, which is what was kept.
    accepted = {kept[i]: skill for i, skill in report.accepted} if report else {}
    rejected = {kept[i]: reason for i, reason in report.rejected} if report else {}
    for i, stopped in report.quarantined if report else ():
        rejected[kept[i]] = f"quarantined as skill {stopped.id}: {stopped.status_reason}"
    for index, proposal in enumerate(proposals):
        skill = accepted.get(index)
        yield Decision(
            action=proposal.action,
            title=proposal.draft.title if proposal.draft else ", ".join(proposal.targets),
            skill_id=skill.id if skill else None,
            why=proposal.reason if skill else rejected.get(index, "more than max_new_skills"),
        )


def success_rates(episodes: Sequence[Trajectory]) -> dict[str, float]:
    """Return the success rate per category; broken episodes say nothing about it."""
    outcomes: dict[str, list[bool]] = defaultdict(list)
    for episode in episodes:
        if episode.ended.kind != "failed":
            outcomes[episode.task.category].append(episode.outcome.success)
    return {name: sum(found) / len(found) for name, found in sorted(outcomes.items())}


def select_failures(
    episodes: Sequence[Trajectory], settings: EvolutionSettings
) -> list[Trajectory]:
    """Return failures of weak categories, the weakest first, taking turns.

    Within a category tasks take turns too, so that eight failures of one task do not
    crowd out the others. Episodes that broke for technical reasons teach nothing.
    """
    rates = success_rates(episodes)
    weak = sorted((rate, name) for name, rate in rates.items() if rate < settings.floor)
    queues = [_one_task_after_another(episodes, name) for _, name in weak]
    chosen: list[Trajectory] = []
    while len(chosen) < settings.max_failures and any(queues):
        for queue in queues:
            if queue and len(chosen) < settings.max_failures:
                chosen.append(queue.pop(0))
    return chosen


def _one_task_after_another(episodes: Sequence[Trajectory], category: str) -> list[Trajectory]:
    by_task: dict[str, list[Trajectory]] = defaultdict(list)
    for episode in episodes:
        failed = not episode.outcome.success and episode.ended.kind != "failed"
        if failed and episode.task.category == category:
            by_task[episode.task.id].append(episode)
    ordered = []
    for turn in range(max(map(len, by_task.values()), default=0)):
        ordered += [found[turn] for found in by_task.values() if turn < len(found)]
    return ordered
