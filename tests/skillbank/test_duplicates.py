import math
import re
import tracemalloc
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from skillbank import InvalidQuery, duplicates
from skillbank.duplicates import NearDuplicate, near_duplicate_texts, near_duplicates

Rows = NDArray[np.float32]


def unit_rows(seed: int, count: int, dimensions: int) -> Rows:
    rows_ND = np.random.default_rng(seed).standard_normal((count, dimensions))
    rows_ND /= np.linalg.norm(rows_ND, axis=1, keepdims=True)
    return rows_ND.astype(np.float32)


def in_order(pairs: list[NearDuplicate[int]]) -> list[NearDuplicate[int]]:
    return sorted(pairs, key=lambda pair: (-pair.similarity, pair.first, pair.second))


# By vectors


def test_pairs_come_most_similar_first_and_once_each() -> None:
    angles = np.deg2rad([0, 90, 10, 95, 200])
    rows_ND = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    assert near_duplicates("abcde", rows_ND) == [
        NearDuplicate("b", "d", round(math.cos(math.radians(5)), 6)),
        NearDuplicate("a", "c", round(math.cos(math.radians(10)), 6)),
    ]


@given(st.integers(0, 10**6), st.integers(0, 30), st.floats(0.05, 1), st.integers(1, 60))
def test_pairs_are_those_of_a_full_comparison(
    seed: int, count: int, threshold: float, limit: int
) -> None:
    rows_ND = unit_rows(seed, count, 4)
    full = [
        (i, j, float(np.dot(rows_ND[i].astype(float), rows_ND[j].astype(float))))
        for i, j in combinations(range(count), 2)
    ]
    got = near_duplicates(range(count), rows_ND, threshold=threshold, limit=limit)
    cosine = {(i, j): value for i, j, value in full}
    assert all(
        pair.similarity == pytest.approx(cosine[pair.first, pair.second], abs=2e-6) for pair in got
    )
    assert got == in_order(got)
    found = {(pair.first, pair.second) for pair in got}
    assert len(found) == len(got)
    sure = {(i, j) for i, j, value in full if value >= threshold + 2e-6}
    allowed = {(i, j) for i, j, value in full if value >= threshold - 2e-6}
    assert found <= allowed
    if len(got) < limit:
        assert found >= sure
    else:
        assert all(cosine[pair] <= got[-1].similarity + 2e-6 for pair in sure - found)


@pytest.mark.parametrize("block_bytes", [1, 400, 5_000, 2**24])
def test_the_size_of_a_block_changes_nothing(
    block_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows_ND = unit_rows(2, 60, 3)
    rows_ND[40:50] = rows_ND[:10]
    rows_ND[-1] = rows_ND[-2]
    whole = near_duplicates(range(60), rows_ND, threshold=0.8, limit=100)
    assert len(whole) == 100
    assert NearDuplicate(58, 59, 1.0) in whole
    monkeypatch.setattr(duplicates, "_BLOCK_BYTES", block_bytes)
    assert near_duplicates(range(60), rows_ND, threshold=0.8, limit=100) == whole


@pytest.mark.parametrize("kind", ["float16", "float32", "float64"])
@pytest.mark.parametrize("threshold", [0.92, 1.0])
def test_equal_rows_have_similarity_one_in_any_precision(kind: str, threshold: float) -> None:
    rows_ND = np.repeat(unit_rows(4, 1, 1024).astype(kind), 5, axis=0)
    got = near_duplicates(range(5), rows_ND, threshold=threshold)
    assert got == [NearDuplicate(i, j, 1.0) for i, j in combinations(range(5), 2)]


def test_a_limit_keeps_the_most_similar_and_then_the_first() -> None:
    rows_ND = np.repeat(np.eye(2, dtype=np.float32), [2, 48], axis=0)
    rows_ND[0] = [0.8, 0.6]
    got = near_duplicates(range(50), rows_ND, threshold=0.5, limit=3)
    assert got == [NearDuplicate(2, j, 1.0) for j in (3, 4, 5)]


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_items_have_no_pair(count: int) -> None:
    assert near_duplicates(range(count), unit_rows(0, count, 8)) == []
    assert near_duplicate_texts(range(count), ["one text"] * count) == []


@pytest.mark.parametrize("alike", [False, True])
def test_memory_stays_far_below_a_full_matrix(alike: bool) -> None:
    count = 10_000
    rows_ND = np.repeat(unit_rows(9, 1, 8), count, axis=0) if alike else unit_rows(9, count, 8)
    tracemalloc.start()
    found = near_duplicates(range(count), rows_ND, threshold=1.0 if alike else 0.95, limit=50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 50
    # A full matrix takes 400 MB; one block with its mask, or with all of it found, far less.
    assert peak < (160 if alike else 40) * 2**20


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 0.0}, r"threshold must be in \(0, 1\], got 0.0"),
        ({"threshold": 1.01}, r"threshold must be in \(0, 1\], got 1.01"),
        ({"threshold": math.nan}, r"threshold must be in \(0, 1\], got nan"),
        ({"limit": 0}, "limit must be at least 1, got 0"),
        ({"ids": "aa"}, "ids must name each item once, got 'a' more than once"),
        ({"ids": "abc"}, r"vectors must have shape \(3, d\), got \(2, 2\)"),
        ({"vectors": np.array([[1, 0], [3, 4]])}, "unit rows, got length 5.0 in row 1"),
    ],
)
def test_what_cannot_be_compared_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidQuery, match=message):
        near_duplicates(**({"ids": "ab", "vectors": np.eye(2)} | changes))  # type: ignore[arg-type]


# By words

# Few words, so that many texts share some.
_words = st.sampled_from(["open", "shut", "the", "a", "fridge", "door"])
texts_of_few_words = st.lists(st.lists(_words, max_size=9).map(" ".join), max_size=14)


def jaccard(one: str, two: str) -> float:
    """Shared pairs of neighbouring words over all of them."""
    sets = []
    for text in (one, two):
        words = re.findall(r"\w+", text.casefold())
        sets.append(set(pairwise(words)) if len(words) != 1 else {(words[0],)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1]) if sets[0] | sets[1] else 0.0


@given(texts_of_few_words, st.floats(0.01, 1), st.integers(1, 200))
def test_texts_are_paired_as_by_a_full_comparison(
    texts: list[str], threshold: float, limit: int
) -> None:
    got = near_duplicate_texts(range(len(texts)), texts, threshold=threshold, limit=limit)
    expected = [
        NearDuplicate(i, j, round(jaccard(texts[i], texts[j]), 6))
        for i, j in combinations(range(len(texts)), 2)
        if jaccard(texts[i], texts[j]) >= threshold
    ]
    assert got == in_order(expected)[:limit]


@pytest.mark.parametrize(("shared", "size"), [(1, 2), (2, 3), (7, 10), (3, 10), (9, 10)])
def test_a_pair_exactly_at_the_threshold_is_reported(shared: int, size: int) -> None:
    # The second text stops early: it has `shared` of the first one's `size` word pairs.
    words = [f"w{i}" for i in range(size + 1)]
    texts = [" ".join(words), " ".join(words[: shared + 1])]
    got = near_duplicate_texts("ab", texts, threshold=shared / size)
    assert got == [NearDuplicate("a", "b", round(shared / size, 6))]


def test_case_and_punctuation_are_set_aside() -> None:
    texts = ["Open the fridge, first!", "open THE   fridge (first)", "Straße frei", "STRASSE FREI"]
    got = near_duplicate_texts("abcd", texts, threshold=1.0)
    assert got == [NearDuplicate("a", "b", 1.0), NearDuplicate("c", "d", 1.0)]


def test_one_changed_word_in_ten_is_near_and_a_paraphrase_is_not() -> None:
    texts = [
        "Put the hot object into the fridge and close it",
        "Put the hot mug into the fridge and close it",
        "Cool things down with the refrigerator, door shut",
    ]
    # Nine word pairs each, seven of them shared.
    assert near_duplicate_texts("abc", texts) == [NearDuplicate("a", "b", round(7 / 11, 6))]


def test_a_text_of_one_word_is_that_word_and_one_of_none_is_like_nothing() -> None:
    texts = ["wait", "Wait!", "wait wait", "!!!", "!!!", ""]
    got = near_duplicate_texts("abcdef", texts, threshold=0.01)
    assert got == [NearDuplicate("a", "b", 1.0)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threshold": 0.0}, r"threshold must be in \(0, 1\], got 0.0"),
        ({"limit": -1}, "limit must be at least 1, got -1"),
        ({"ids": "aa"}, "got 'a' more than once"),
        ({"ids": "abc"}, "texts must be one per id, got 2 for 3"),
    ],
)
def test_texts_that_cannot_be_compared_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidQuery, match=message):
        near_duplicate_texts(**({"ids": "ab", "texts": ["one", "two"]} | changes))  # type: ignore[arg-type]
