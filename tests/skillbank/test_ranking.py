import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skillbank import InvalidQuery
from skillbank.ranking import maximal_marginal_relevance, reciprocal_rank_fusion

Rows = NDArray[np.float32]

# Reciprocal rank fusion


def test_fused_scores_are_sums_of_reciprocal_ranks() -> None:
    assert reciprocal_rank_fusion([["a", "b"], ["b", "c"]]) == [
        ("b", 1 / 62 + 1 / 61),
        ("a", 1 / 61),
        ("c", 1 / 62),
    ]


def test_equal_sums_keep_the_order_of_first_appearance() -> None:
    # Each key is first, second and third once; in floats the sums depend on their order.
    fused = reciprocal_rank_fusion([["b", "c", "a"], ["a", "b", "c"], ["c", "a", "b"]])
    assert [key for key, _ in fused] == ["b", "c", "a"]
    assert len({score for _, score in fused}) == 1


def test_a_weight_counts_a_ranking_more_or_not_at_all() -> None:
    rankings = [["a", "b"], ["b", "c"]]
    assert reciprocal_rank_fusion(rankings, weights=[3, 1], k=0)[0] == ("a", 3.0)
    assert reciprocal_rank_fusion(rankings, weights=[1, 0]) == reciprocal_rank_fusion(rankings[:1])
    assert reciprocal_rank_fusion(rankings, weights=[0, 0]) == []
    assert reciprocal_rank_fusion([]) == reciprocal_rank_fusion([[], []]) == []


rankings_of_numbers = st.lists(
    st.lists(st.integers(0, 12), unique=True, max_size=13), min_size=1, max_size=5
)


@given(rankings_of_numbers, st.integers(0, 100), st.data())
def test_fusion_is_what_its_definition_says(
    rankings: list[list[int]], k: int, data: st.DataObject
) -> None:
    size = len(rankings)
    weights = data.draw(st.lists(st.integers(1, 3), min_size=size, max_size=size))
    exact: dict[int, Fraction] = {}
    for ranking, weight in zip(rankings, weights, strict=True):
        for key in ranking:
            share = Fraction(weight, k + ranking.index(key) + 1)
            exact[key] = exact.get(key, Fraction()) + share
    fused = reciprocal_rank_fusion(rankings, k=k, weights=weights)
    assert {key for key, _ in fused} == exact.keys()
    for key, score in fused:
        assert score == pytest.approx(float(exact[key]), rel=1e-12)
    ranked = [exact[key] for key, _ in fused]
    assert all(one >= two * (1 - Fraction(1, 10**12)) for one, two in pairwise(ranked))


@given(rankings_of_numbers)
def test_the_order_of_the_rankings_changes_no_score(rankings: list[list[int]]) -> None:
    forth, back = reciprocal_rank_fusion(rankings), reciprocal_rank_fusion(rankings[::-1])
    assert dict(forth) == dict(back)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": -1}, "k must be a finite number >= 0, got -1"),
        ({"k": math.nan}, "k must be a finite number >= 0, got nan"),
        ({"weights": [1.0]}, "weights must be one per ranking, got 1 for 2"),
        ({"weights": [1.0, -1.0]}, r"weights must be finite numbers >= 0, got \[1.0, -1.0\]"),
        ({"weights": [1.0, math.nan]}, "weights must be finite"),
        ({"weights": [1e308, 1e308]}, "weights must be finite"),
    ],
)
def test_a_fusion_setting_out_of_range_is_refused(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidQuery, match=message):
        reciprocal_rank_fusion([["a"], ["b"]], **settings)  # type: ignore[arg-type]  # on purpose


def test_a_ranking_that_repeats_a_key_is_refused() -> None:
    with pytest.raises(InvalidQuery, match=r"rankings\[1\] must have each key once"):
        reciprocal_rank_fusion([["a"], ["b", "c", "b"]])


# Maximal marginal relevance

# Unit rows whose products are exact in floats, with scores and trade-offs that are so too:
# every value, and therefore every tie, can be told by hand.
_HALVES = [(a, b, c, 0.5) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (-0.5, 0.5)]
_EXACT_ROWS = [*_HALVES, (1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.0, 0.0, 0.0, -1.0)]
exact_items = st.lists(
    st.tuples(st.integers(-8, 8).map(lambda n: n / 8), st.sampled_from(_EXACT_ROWS)), max_size=12
)


def chosen_one_by_one(
    scores: Sequence[float], rows: Sequence[Sequence[float]], count: int, trade_off: float
) -> list[int]:
    """Maximal marginal relevance from its definition."""
    chosen: list[int] = []

    def value(i: int) -> tuple[float, float, int]:
        cosines = [sum(a * b for a, b in zip(rows[i], rows[j], strict=True)) for j in chosen]
        penalty = (1 - trade_off) * max(cosines) if cosines else 0.0
        return (trade_off * scores[i] - penalty, scores[i], -i)

    while len(chosen) < min(count, len(scores)):
        chosen.append(max((i for i in range(len(scores)) if i not in chosen), key=value))
    return chosen


@given(exact_items, st.integers(0, 14), st.sampled_from([0, 0.125, 0.25, 0.5, 0.75, 1]))
def test_choices_are_those_of_the_definition(
    items: list[tuple[float, tuple[float, ...]]], count: int, trade_off: float
) -> None:
    scores = [score for score, _ in items]
    rows = [row for _, row in items]
    got = maximal_marginal_relevance(
        scores, np.array(rows, np.float32).reshape(-1, 4), count=count, trade_off=trade_off
    )
    assert got == chosen_one_by_one(scores, rows, count, trade_off)


def unit_rows(seed: int, count: int, dimensions: int) -> Rows:
    rows_ND = np.random.default_rng(seed).standard_normal((count, dimensions))
    rows_ND /= np.linalg.norm(rows_ND, axis=1, keepdims=True)
    return rows_ND.astype(np.float32)


@given(st.integers(0, 10**6), st.integers(1, 40), st.floats(0, 1))
def test_each_choice_is_the_best_one_left(seed: int, count: int, trade_off: float) -> None:
    rows_ND = unit_rows(seed, 40, 8)
    scores_N = np.random.default_rng(seed + 1).random(40)
    got = maximal_marginal_relevance(scores_N, rows_ND, count=count, trade_off=trade_off)
    assert len(set(got)) == count
    for place in range(1, count):
        nearest_N = (rows_ND @ rows_ND[got[:place]].T).max(axis=1)
        value_N = trade_off * scores_N - (1 - trade_off) * nearest_N
        left = [i for i in range(40) if i not in got[:place]]
        assert value_N[got[place]] >= value_N[left].max() - 1e-6


def test_pure_relevance_is_the_order_of_scores() -> None:
    scores = [0.1, 0.9, 0.5, 0.9]
    rows_ND = unit_rows(0, 4, 3)
    assert maximal_marginal_relevance(scores, rows_ND, count=9, trade_off=1) == [1, 3, 2, 0]


def test_pure_diversity_takes_the_opposite_after_the_most_relevant() -> None:
    rows_ND = np.array([[0, 1], [1, 0], [0.8, 0.6], [-1, 0]], np.float32)
    got = maximal_marginal_relevance([0.1, 0.9, 0.8, 0.2], rows_ND, count=4, trade_off=0)
    assert got == [1, 3, 0, 2]


def test_a_copy_comes_after_everything_new() -> None:
    rows_ND = unit_rows(3, 30, 64)
    rows_ND[1] = rows_ND[0]
    scores = [1.0, 0.99, *([0.5] * 28)]
    got = maximal_marginal_relevance(scores, rows_ND, count=30, trade_off=0.5)
    assert (got[0], got[-1]) == (0, 1)


@pytest.mark.parametrize("count", [1, 3, 7, 101])
@pytest.mark.parametrize("dimensions", [1, 384, 1024])
def test_items_that_are_alike_in_everything_keep_their_order(count: int, dimensions: int) -> None:
    # A matrix product may add up the same row differently in different places.
    rows_ND = np.repeat(unit_rows(dimensions, 1, dimensions), count, axis=0)
    got = maximal_marginal_relevance([0.5] * count, rows_ND, count=count, trade_off=0.3)
    assert got == list(range(count))


def test_half_precision_rows_are_unit_rows() -> None:
    rows_ND = unit_rows(1, 6, 1024)
    halves_ND = rows_ND.astype(np.float16)
    scores = [0.3, 0.2, 0.9, 0.1, 0.5, 0.4]
    assert maximal_marginal_relevance(
        scores, halves_ND, count=6, trade_off=0.5
    ) == maximal_marginal_relevance(scores, rows_ND, count=6, trade_off=0.5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": -1}, "count must be at least 0, got -1"),
        ({"trade_off": 1.5}, r"trade_off must be in \[0, 1\], got 1.5"),
        ({"trade_off": math.nan}, r"trade_off must be in \[0, 1\], got nan"),
        ({"scores": [0.5]}, r"vectors must have shape \(1, d\), got \(2, 2\)"),
        ({"scores": [0.5, math.nan]}, "scores must be finite"),
        ({"scores": [[0.5], [0.5]]}, "scores must be finite numbers, one per row"),
        ({"vectors": np.ones(2)}, r"vectors must have shape \(2, d\), got \(2,\)"),
        ({"vectors": np.array([[1, 0], [1, 1]])}, "unit rows, got length 1.41.* in row 1"),
        ({"vectors": np.array([[0, 0], [1, 0]])}, "unit rows, got length 0.0 in row 0"),
        ({"vectors": np.array([[1, 0], [np.nan, 0]])}, "unit rows, got length nan in row 1"),
    ],
)
def test_a_diversity_setting_out_of_range_is_refused(
    changes: dict[str, object], message: str
) -> None:
    good = {"scores": [0.5, 0.5], "vectors": np.eye(2), "count": 2, "trade_off": 0.5}
    with pytest.raises(InvalidQuery, match=message):
        maximal_marginal_relevance(**(good | changes))  # type: ignore[arg-type]  # on purpose
