"""How sure a success rate is, and a difference of success rates."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its lower and upper bound."""

    estimate: float
    low: float
    high: float

    def contains(self, value: float) -> bool:
        """Whether `value` lies between the bounds, the bounds included."""
        return self.low <= value <= self.high


def wilson(wins: int, n: int, z: float = 1.96) -> Interval | None:
    """Score interval of a success rate; None where nothing was played.

    Wilson (1927), J. Am. Stat. Assoc. 22, 209-212. With p = wins / n:

        (p + z^2/2n  +-  z * sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)

    It stays inside [0, 1] and keeps its width at 0 and at n wins, where the
    textbook p +- z*sqrt(p(1-p)/n) has none. Every episode counts as independent.

    Args:
        wins: Successful episodes, 0 <= wins <= n.
        n: Episodes played.
        z: Normal quantile; 1.96 for 95 %.
    """
    if not 0 <= wins <= n:
        raise ValueError(f"wins must be in [0, n], got {wins} wins of {n}")
    if n == 0:
        return None
    share = wins / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(share, max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def paired_interval(differences: Sequence[float], z: float = 1.96) -> Interval | None:
    """Interval of the mean difference over games both arms played.

    The normal approximation for paired data, mean(d) +- z * s / sqrt(n) with the
    sample standard deviation s (as in Student (1908), Biometrika 6, 1-25, with the
    normal quantile), cut to [-1, 1] since no success rate can differ by more. It is
    rough below some 20 games, and has no width where every game differs alike.

    Args:
        differences: One per game, success of one arm minus success of the other.
        z: Normal quantile; 1.96 for 95 %.

    Returns:
        None for fewer than two games, which show no spread.
    """
    if len(differences) < 2:
        return None
    mean = fmean(differences)
    spread = z * stdev(differences) / sqrt(len(differences))
    return Interval(mean, max(-1.0, mean - spread), min(1.0, mean + spread))
