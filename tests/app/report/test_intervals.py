from math import sqrt

import pytest

from skillrl_app.report import paired_interval, wilson


def test_wilson_of_half_matches_hand_computation() -> None:
    # 5 of 10 with z = 2: centre (0.5 + 4/20) / 1.4 = 0.5,
    # spread 2 * sqrt(0.25/10 + 4/400) / 1.4 = 2 * sqrt(0.035) / 1.4
    interval = wilson(5, 10, z=2)
    assert interval is not None
    assert interval.estimate == 0.5
    assert interval.low == pytest.approx(0.5 - 0.2672612, abs=1e-7)
    assert interval.high == pytest.approx(0.5 + 0.2672612, abs=1e-7)


def test_wilson_bounds_solve_the_equation_they_come_from() -> None:
    # The bounds are the p at which |wins/n - p| is z standard errors of p itself.
    interval = wilson(7, 31)
    assert interval is not None
    for bound in (interval.low, interval.high):
        assert abs(7 / 31 - bound) == pytest.approx(1.96 * sqrt(bound * (1 - bound) / 31))


@pytest.mark.parametrize(("wins", "low", "high"), [(0, 0.0, 0.2775), (10, 0.7225, 1.0)])
def test_wilson_keeps_its_width_at_the_ends(wins: int, low: float, high: float) -> None:
    # At 0 of n the upper bound is z^2 / (n + z^2) = 3.8416 / 13.8416.
    interval = wilson(wins, 10)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_played_is_none() -> None:
    assert wilson(0, 0) is None


@pytest.mark.parametrize(("wins", "n"), [(3, 2), (-1, 4)])
def test_wilson_refuses_impossible_counts(wins: int, n: int) -> None:
    with pytest.raises(ValueError, match="wins must be"):
        wilson(wins, n)


def test_paired_interval_matches_hand_computation() -> None:
    # 1, 0, 0, 1, 0: mean 0.4, sample variance (2*0.36 + 3*0.16) / 4 = 0.3,
    # spread 1.96 * sqrt(0.3 / 5) = 0.4801
    interval = paired_interval([1, 0, 0, 1, 0])
    assert interval is not None
    assert interval.estimate == pytest.approx(0.4)
    assert (interval.low, interval.high) == pytest.approx((-0.0801, 0.8801), abs=5e-5)


def test_paired_interval_stays_within_possible_differences() -> None:
    interval = paired_interval([1, 0])
    assert interval is not None
    assert interval.low == pytest.approx(0.5 - 0.98)
    assert interval.high == 1.0


@pytest.mark.parametrize("differences", [[], [1.0]])
def test_fewer_than_two_games_have_no_paired_interval(differences: list[float]) -> None:
    assert paired_interval(differences) is None
