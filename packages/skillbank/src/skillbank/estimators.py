"""What the evidence log says about one skill: estimates, no decisions.

Every function takes the evidence of ONE skill, as `SkillBank.evidence` returns it. An
episode in which the skill's text was falsified on purpose never counts. Pass the
entries of one version to judge that version alone.

Only `within_group_difference` compares like with like. Everything else describes the
episodes in which the skill was shown, and a skill that is shown on easy tasks looks good.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from skillbank.errors import InvalidEvidence, InvalidQuery
from skillbank.evidence import Evidence
from skillbank.student_t import central_quantile

Outcome = Literal["reward", "success"]
"""reward: as it was recorded; success: 1 or 0."""

_LARGEST_REWARD = 1e100  # its square, summed over any log, is still a finite number
_ROUNDING = 1e-12  # of the largest outcome: differences closer than that are equal


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Two bounds."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Shown minus withheld within groups, averaged over the groups."""

    groups: int
    """Groups that have both arms; the unit of inference."""
    unpaired_groups: int
    """Groups left out because they have one arm only."""
    shown: int
    """Episodes of the `groups` in which the skill was shown."""
    withheld: int
    """Episodes of the `groups` in which it was eligible and not shown."""
    estimate: float
    """In units of the outcome; positive when showing the skill goes with better ones."""
    low: float
    """Lower bound; -inf when the groups do not tell."""
    high: float
    """Upper bound; inf when the groups do not tell."""
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimates:
    """Everything this module says about one skill."""

    uses: int
    wins: int
    withheld: int
    """Episodes in which it was eligible and not shown."""
    corrupted: int
    """Episodes that count nowhere else, because the skill's text was falsified."""
    laplace: float
    win_rate: Interval
    """Wilson's interval for wins out of uses."""
    memrl_q: float
    """MemRL's utility with MemRL's settings: outcomes +1 and -1, rate 0.3, from 0."""
    ucb: float | None
    """None when it was not said how often all skills together were used."""
    success_difference: Difference | None
    """None while no group has both arms."""
    reward_difference: Difference | None
    """None while no group has both arms."""


def summarise(
    evidence: Sequence[Evidence], *, total_uses: int | None = None, confidence: float = 0.95
) -> Estimates:
    """Return every estimate of one skill.

    Args:
        evidence: Of one skill, in the order of recording; may be empty.
        total_uses: Shown episodes of all skills together, for `ucb`.
        confidence: Of each interval on its own, in (0, 1).

    Raises:
        InvalidEvidence: entries of two skills, or values that no log can hold.
        InvalidQuery: `confidence` or `total_uses` is out of range.
    """
    counted = _counted(evidence)
    used, won = uses(counted), wins(counted)
    return Estimates(
        uses=used,
        wins=won,
        withheld=len(counted) - used,
        corrupted=len(evidence) - len(counted),
        laplace=laplace(counted),
        win_rate=wilson(won, used, confidence),
        memrl_q=memrl_q(counted, outcome="success"),
        ucb=None if total_uses is None else ucb(counted, total_uses),
        success_difference=within_group_difference(counted, confidence, "success"),
        reward_difference=within_group_difference(counted, confidence, "reward"),
    )


def uses(evidence: Sequence[Evidence]) -> int:
    """Return in how many episodes the skill was shown."""
    return len(_shown(evidence))


def wins(evidence: Sequence[Evidence]) -> int:
    """Return in how many episodes the skill was shown and the task solved."""
    return sum(entry.success for entry in _shown(evidence))


def laplace(evidence: Sequence[Evidence]) -> float:
    """Return (wins + 1) / (uses + 2): 0.5 for an unused skill.

    Laplace's rule of succession; EvolveR (arXiv:2510.16079) scores principles by it.
    """
    return (wins(evidence) + 1) / (uses(evidence) + 2)


def wilson(wins: int, uses: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval for a success rate; [0, 1] without uses.

    It supposes independent episodes. Episodes of one task are not, so for skills it is
    too narrow: good for a table, not for a decision.

    Raises:
        InvalidEvidence: not 0 <= wins <= uses.
        InvalidQuery: `confidence` is not in (0, 1).
    """
    if not 0 <= wins <= uses:
        raise InvalidEvidence(f"wins must be in [0, uses], got {wins} of {uses}")
    _check_confidence(confidence)
    if uses == 0:
        return Interval(low=0.0, high=1.0)
    z = -NormalDist().inv_cdf((1.0 - confidence) / 2.0)
    rate, square = wins / uses, z * z / uses
    centre = (rate + square / 2.0) / (1.0 + square)
    half = math.sqrt(square * (rate * (1.0 - rate) + square / 4.0)) / (1.0 + square)
    # At the ends the bound is exact, and rounding must not push it outside.
    return Interval(
        low=0.0 if wins == 0 else centre - half, high=1.0 if wins == uses else centre + half
    )


def memrl_q(
    evidence: Sequence[Evidence],
    learning_rate: float = 0.3,
    initial: float = 0.0,
    outcome: Outcome = "reward",
) -> float:
    """Return MemRL's utility: Q <- Q + a (r - Q) over the shown episodes in order.

    MemRL (arXiv:2601.03192) uses a = 0.3 and Q0 = 0. It is an average that forgets: the
    last 1/a episodes decide most of it.

    Args:
        evidence: Of one skill, in the order of recording.
        learning_rate: a, in (0, 1].
        initial: Q0, the utility of an unused skill.
        outcome: What r is: the recorded reward, or for "success" MemRL's own +1 and -1.

    Raises:
        InvalidEvidence: entries of two skills, or values that no log can hold.
        InvalidQuery: a setting is out of range.
    """
    _check_outcome(outcome)
    if not 0.0 < learning_rate <= 1.0:
        raise InvalidQuery(f"learning_rate must be in (0, 1], got {learning_rate}")
    if not math.isfinite(initial):
        raise InvalidQuery(f"initial must be a finite number, got {initial}")
    utility = initial
    for entry in _shown(evidence):
        reward = entry.reward if outcome == "reward" else (1.0 if entry.success else -1.0)
        utility += learning_rate * (reward - utility)
    return utility


def ucb(evidence: Sequence[Evidence], total_uses: int, exploration: float = 1.0) -> float:
    """Return the success rate when shown plus c sqrt(2 ln N / n); inf for an unused skill.

    UCB1 (Auer, Cesa-Bianchi and Fischer 2002) with c = 1. D2Skill (arXiv:2603.28716)
    retrieves and evicts skills by a bound of this kind.

    Args:
        evidence: Of one skill; n is its shown episodes.
        total_uses: N, the shown episodes of all skills that compete, this one included.
        exploration: c, at least 0.

    Raises:
        InvalidEvidence: entries of two skills, or values that no log can hold.
        InvalidQuery: `exploration` is negative, or `total_uses` less than n.
    """
    used = uses(evidence)
    if not (exploration >= 0.0 and math.isfinite(exploration)):
        raise InvalidQuery(f"exploration must be a finite number >= 0, got {exploration}")
    if total_uses < used:
        raise InvalidQuery(f"total_uses must count this skill's {used} too, got {total_uses}")
    if used == 0:
        return math.inf
    return wins(evidence) / used + exploration * math.sqrt(2.0 * math.log(total_uses) / used)


def within_group_difference(
    evidence: Sequence[Evidence], confidence: float = 0.95, outcome: Outcome = "reward"
) -> Difference | None:
    """Return how much better episodes went with the skill than without it.

    The estimand is the plain mean, over the observed groups that have both arms, of the
    mean outcome where the skill was shown minus the mean where it was withheld. What the
    episodes of a group share (task, start, policy) cancels. It is an effect of showing
    the skill if chance alone decided what was shown, given the propensities. Within an
    arm, episodes weigh 1 / propensity (Hajek 1971); equal propensities make that the
    plain mean.

    The interval is Student's t over groups, the unit of inference, for a number of groups
    fixed in advance. Looking again after every new group until it excludes 0 voids it.
    It is (-inf, inf) where the groups do not show how much groups differ: there is only
    one, or all differences are equal, as a few coarse outcomes often are by chance.

    Args:
        evidence: Of one skill.
        confidence: In (0, 1).
        outcome: What is averaged.

    Returns:
        None when no group has both arms.

    Raises:
        InvalidEvidence: entries of two skills, or values that no log can hold.
        InvalidQuery: a setting is out of range.
    """
    _check_outcome(outcome)
    _check_confidence(confidence)
    groups: dict[str, tuple[list[Evidence], list[Evidence]]] = {}
    for entry in _counted(evidence):
        shown, withheld = groups.setdefault(entry.group_id, ([], []))
        (shown if entry.shown else withheld).append(entry)
    paired = [(shown, withheld) for shown, withheld in groups.values() if shown and withheld]
    if not paired:
        return None
    differences = [_mean(shown, outcome) - _mean(held, outcome) for shown, held in paired]
    largest = max(abs(_value(e, outcome)) for arms in paired for arm in arms for e in arm)
    estimate = math.fsum(differences) / len(differences)
    half = _half_width(differences, estimate, confidence, _ROUNDING * largest)
    return Difference(
        groups=len(paired),
        unpaired_groups=len(groups) - len(paired),
        shown=sum(len(shown) for shown, _ in paired),
        withheld=sum(len(held) for _, held in paired),
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        confidence=confidence,
    )


def _half_width(values: list[float], mean: float, confidence: float, rounding: float) -> float:
    if max(values) - min(values) <= rounding:
        return math.inf
    count = len(values)
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return central_quantile(confidence, count - 1) * math.sqrt(variance / count)


def _mean(arm: list[Evidence], outcome: Outcome) -> float:
    # Relative to the rarest, weights stay in (0, 1]; equal propensities give exactly 1.
    rarest = min(entry.propensity for entry in arm)
    weights = [rarest / entry.propensity for entry in arm]
    total = math.fsum(w * _value(entry, outcome) for w, entry in zip(weights, arm, strict=True))
    return total / math.fsum(weights)


def _value(entry: Evidence, outcome: Outcome) -> float:
    return entry.reward if outcome == "reward" else float(entry.success)


def _shown(evidence: Sequence[Evidence]) -> list[Evidence]:
    return [entry for entry in _counted(evidence) if entry.shown]


def _counted(evidence: Sequence[Evidence]) -> list[Evidence]:
    """Return what may count, in order; raise InvalidEvidence for what is no evidence."""
    for entry in evidence:
        if entry.skill_id != evidence[0].skill_id:
            raise InvalidEvidence(
                "evidence must be of one skill, "
                f"got {evidence[0].skill_id!r:.60} and {entry.skill_id!r:.60}"
            )
        if not 0.0 < entry.propensity <= 1.0:
            raise InvalidEvidence(
                f"propensity must be in (0, 1], got {entry.propensity} "
                f"in episode {entry.episode_id!r:.60}"
            )
        if not abs(entry.reward) <= _LARGEST_REWARD:
            raise InvalidEvidence(
                f"reward must be between -{_LARGEST_REWARD:g} and {_LARGEST_REWARD:g}, "
                f"got {entry.reward} in episode {entry.episode_id!r:.60}"
            )
    return [entry for entry in evidence if not entry.corrupted]


def _check_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        raise InvalidQuery(f"confidence must be in (0, 1), got {confidence}")


def _check_outcome(outcome: str) -> None:
    if outcome not in ("reward", "success"):
        raise InvalidQuery(f"outcome must be 'reward' or 'success', got {outcome!r:.60}")
