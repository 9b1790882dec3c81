"""Pairs of skills that say nearly the same: reported here, never merged.

By meaning where there are embeddings, by shared words where there are none.
"""

import heapq
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from skillbank.errors import InvalidQuery
from skillbank.ranking import checked_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)

_BLOCK_BYTES = 16 * 2**20  # of similarities; a block and what is made of it stay below 64 MB
_DECIMALS = 6  # what single precision tells for sure, so that equal rows reach exactly 1
_SHINGLE_WORDS = 2
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class NearDuplicate(Generic[Key]):
    """Two items that are nearly the same."""

    first: Key
    """The one that was passed first."""
    second: Key
    similarity: float
    """At most 1, rounded to 6 decimals."""


def near_duplicates(
    ids: Sequence[Key],
    vectors: "NDArray[np.floating]",
    *,
    threshold: float = 0.92,
    limit: int = 1000,
) -> list[NearDuplicate[Key]]:
    """Return the pairs whose vectors have at least this cosine, most similar first.

    Equally similar pairs keep the order of `ids`. Every pair is compared, in blocks, so
    that memory stays bounded: 10,000 rows need no matrix of 10,000 x 10,000.

    Args:
        ids: One per row, each once.
        vectors: Unit rows, shape (n, d).
        threshold: Least cosine, in (0, 1]; what is near depends on the embedding model.
        limit: Most pairs to return, at least 1.

    Raises:
        InvalidQuery: a setting is out of range, an id twice, or rows that do not fit the
            ids or are not of unit length.
    """
    import numpy as np

    _check(ids, threshold, limit)
    rows_ND = checked_rows(vectors, len(ids))
    pairs_P2 = np.empty((0, 2), dtype=np.int64)
    cosine_P = np.empty(0, dtype=np.float32)
    start = 0
    while start < len(ids) - 1:
        rows = max(1, _BLOCK_BYTES // (4 * (len(ids) - start)))
        # Blocks come in the order of the pairs, so an equal later one never displaces.
        found_P2, found_P = _block(rows_ND, start, rows, np.float32(threshold), limit)
        pairs_P2 = np.concatenate([pairs_P2, found_P2])
        cosine_P = np.concatenate([cosine_P, found_P])
        best_P = np.argsort(-cosine_P, kind="stable")[:limit]
        pairs_P2, cosine_P = pairs_P2[best_P], cosine_P[best_P]
        start += rows
    return [
        NearDuplicate(ids[first], ids[second], round(cosine, _DECIMALS))
        for (first, second), cosine in zip(pairs_P2.tolist(), cosine_P.tolist(), strict=True)
    ]


def near_duplicate_texts(
    ids: Sequence[Key], texts: Sequence[str], *, threshold: float = 0.5, limit: int = 1000
) -> list[NearDuplicate[Key]]:
    """Return the pairs of texts that share at least this much wording, most alike first.

    The measure is the Jaccard similarity of the sets of neighbouring word pairs, case and
    punctuation aside; a text of one word counts as that word, one of none is like nothing.
    0.5 lets about one word in six differ. It sees copies and light edits, not paraphrases.
    Equally similar pairs keep the order of `ids`.

    Args:
        ids: One per text, each once.
        texts: What is compared, such as title and principle in one string.
        threshold: Least similarity, in (0, 1].
        limit: Most pairs to return, at least 1.

    Raises:
        InvalidQuery: a setting is out of range, an id twice, or not one text per id.
    """
    _check(ids, threshold, limit)
    if len(texts) != len(ids):
        raise InvalidQuery(f"texts must be one per id, got {len(texts)} for {len(ids)}")
    similar = _similar_sets([_shingles(text) for text in texts], threshold)
    best = heapq.nsmallest(limit, ((-alike, i, j) for i, j, alike in similar))
    return [NearDuplicate(ids[i], ids[j], round(-alike, _DECIMALS)) for alike, i, j in best]


def _check(ids: Sequence[Hashable], threshold: float, limit: int) -> None:
    if not 0.0 < threshold <= 1.0:
        raise InvalidQuery(f"threshold must be in (0, 1], got {threshold}")
    if limit < 1:
        raise InvalidQuery(f"limit must be at least 1, got {limit}")
    if len(set(ids)) < len(ids):
        repeated = next(key for key, number in Counter(ids).items() if number > 1)
        raise InvalidQuery(f"ids must name each item once, got {repeated!r:.60} more than once")


def _block(
    rows_ND: "NDArray[np.float32]", start: int, rows: int, least: "np.float32", limit: int
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Return the `limit` nearest pairs (i, j > i) with start <= i < start + rows."""
    import numpy as np

    cosine_BM = rows_ND[start : start + rows] @ rows_ND[start:].T
    np.round(cosine_BM, _DECIMALS, out=cosine_BM)
    near_BM = cosine_BM >= least
    for row, near_M in enumerate(near_BM):
        near_M[: row + 1] = False  # itself, and pairs that an earlier row has
    place_P = np.flatnonzero(near_BM)
    best_P = np.argsort(-cosine_BM.ravel()[place_P], kind="stable")[:limit]
    first_P, second_P = np.divmod(place_P[best_P], cosine_BM.shape[1])
    cosine_P = cosine_BM[first_P, second_P]
    return np.stack([first_P, second_P], axis=1) + start, cosine_P


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = _WORD.findall(text.casefold())
    starts = range(max(1, len(words) - _SHINGLE_WORDS + 1)) if words else ()
    return frozenset(tuple(words[at : at + _SHINGLE_WORDS]) for at in starts)


def _similar_sets(
    sets: Sequence[frozenset[tuple[str, ...]]], threshold: float
) -> Iterator[tuple[int, int, float]]:
    """Yield (i, j > i, Jaccard similarity) for every pair that reaches the threshold.

    Prefix filtering (Bayardo, Ma and Srikant 2007): with the shingles of every set in one
    order, two similar sets share one of their first few. Rarest first, few others do.
    """
    frequency = Counter(shingle for members in sets for shingle in members)
    holders: dict[tuple[str, ...], list[int]] = {}
    for new in sorted(range(len(sets)), key=lambda index: len(sets[index])):
        members = sets[new]
        ordered = sorted(members, key=lambda shingle: (frequency[shingle], shingle))
        # A little less than exact: rounding may let a pair be checked, never lose one.
        overlap = math.ceil(threshold * len(members) - 1e-9)
        prefix = ordered[: len(members) - overlap + 1]
        for old in {old for shingle in prefix for old in holders.get(shingle, ())}:
            if len(sets[old]) < overlap:
                continue
            shared = len(members & sets[old])
            alike = shared / (len(members) + len(sets[old]) - shared)
            if alike >= threshold:
                yield min(old, new), max(old, new), alike
        for shingle in prefix:
            holders.setdefault(shingle, []).append(new)
