"""Quantiles of Student's t distribution, in the standard library alone."""

import math
from functools import lru_cache
from itertools import count

_CONVERGED = 1e-15


@lru_cache(maxsize=1024)
def central_quantile(confidence: float, degrees: int) -> float:
    """Return the t with P(-t <= T <= t) = confidence.

    The relative error is below 1e-8 for up to a million degrees of freedom.

    Args:
        confidence: In (0, 1).
        degrees: Degrees of freedom, at least 1.
    """
    outside = 1.0 - confidence
    high = 1.0
    while _both_tails(high, degrees) > outside:
        high *= 2.0
    low = high / 2.0 if high > 1.0 else 0.0
    while low < (middle := (low + high) / 2.0) < high:
        if _both_tails(middle, degrees) > outside:
            low = middle
        else:
            high = middle
    return high


def _both_tails(t: float, degrees: int) -> float:
    """Return P(|T| > t), the incomplete beta I_x(v/2, 1/2) at x = v / (v + t^2)."""
    square = t * t
    inside = square / (degrees + square)
    if inside == 0.0:
        return 1.0
    outside = degrees / (degrees + square)
    half = degrees / 2.0
    # The continued fraction converges fast only below the mean of the beta density.
    if outside < (half + 1.0) / (half + 2.5):
        return _incomplete_beta(outside, inside, half, 0.5)
    return 1.0 - _incomplete_beta(inside, outside, 0.5, half)


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """Return the regularised I_x(a, b) by DLMF 8.17.22; `rest` is 1 - x, kept exact."""
    log_beta = math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
    front = math.exp(a * math.log(x) + b * math.log(rest) - log_beta) / a
    # Modified Lentz: the ratio of successive numerators and denominators, from the front.
    fraction, numerator, denominator = 1.0, 1.0, 0.0
    for n in count(1):
        term = _coefficient(n, a, b) * x
        denominator = 1.0 / (1.0 + term * denominator)
        numerator = 1.0 + term / numerator
        change = numerator * denominator
        fraction *= change
        if abs(change - 1.0) < _CONVERGED:
            break
    return front / fraction


def _coefficient(n: int, a: float, b: float) -> float:
    m = n // 2
    if n % 2:
        return -(a + m) * (a + b + m) / ((a + 2 * m) * (a + 2 * m + 1))
    return m * (b - m) / ((a + 2 * m - 1) * (a + 2 * m))
