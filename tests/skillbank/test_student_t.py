import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbank.student_t import central_quantile

# Two-sided critical values as printed in statistical tables (such as NIST/SEMATECH's).
TABLE = [
    (0.90, 1, 6.314),
    (0.90, 4, 2.132),
    (0.95, 1, 12.706),
    (0.95, 2, 4.303),
    (0.95, 3, 3.182),
    (0.95, 5, 2.571),
    (0.95, 10, 2.228),
    (0.95, 30, 2.042),
    (0.95, 60, 2.000),
    (0.95, 100, 1.984),
    (0.99, 10, 3.169),
    (0.99, 30, 2.750),
    (0.998, 20, 3.552),
]


@pytest.mark.parametrize(("confidence", "degrees", "expected"), TABLE)
def test_quantiles_are_those_of_the_tables(
    confidence: float, degrees: int, expected: float
) -> None:
    assert central_quantile(confidence, degrees) == pytest.approx(expected, abs=5.1e-4)


@given(st.floats(1e-6, 0.999999))
def test_one_and_two_degrees_agree_with_their_closed_forms(confidence: float) -> None:
    # One degree is the Cauchy distribution; two have t = p sqrt(2 / (1 - p^2)).
    assert central_quantile(confidence, 1) == pytest.approx(
        math.tan(math.pi * confidence / 2), rel=1e-9
    )
    assert central_quantile(confidence, 2) == pytest.approx(
        confidence * math.sqrt(2 / (1 - confidence**2)), rel=1e-9
    )


def test_many_degrees_approach_the_normal_distribution() -> None:
    # Cornish-Fisher: z + (z^3 + z) / (4 v) + O(1 / v^2), z = 1.959963984540054.
    z = 1.959963984540054
    for degrees in (1_000, 100_000, 1_000_000):
        expected = z + (z**3 + z) / (4 * degrees)
        assert central_quantile(0.95, degrees) == pytest.approx(expected, abs=5 / degrees**2 + 1e-8)


def test_extreme_confidence_still_has_a_quantile() -> None:
    assert central_quantile(1e-200, 3) < 1e-10
    assert central_quantile(math.nextafter(1.0, 0.0), 1) == pytest.approx(2**54 / math.pi, rel=1e-6)


def test_scipy_agrees() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    for degrees in (1, 2, 3, 7, 29, 30, 1_000, 10**6):
        for confidence in (0.1, 0.5, 0.8, 0.95, 0.999, 1 - 1e-9):
            expected = stats.t.isf((1 - confidence) / 2, degrees)
            assert central_quantile(confidence, degrees) == pytest.approx(expected, rel=1e-8)
