"""Ways to combine and to diversify rankings; pure functions over keys and vectors."""

import math
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeVar

from skillbank.errors import InvalidQuery

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Key = TypeVar("Key", bound=Hashable)

_UNIT_TOLERANCE = 0.01  # half precision storage moves a length by up to 5e-4


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[Key]], *, k: float = 60, weights: Sequence[float] | None = None
) -> list[tuple[Key, float]]:
    """Return every ranked key with the sum of weight / (k + rank), best first.

    Reciprocal rank fusion (Cormack, Clarke and Buettcher 2009), whose k is 60. Ranks count
    from 1; a key that a ranking lacks gets nothing from it. Equal sums keep the order in
    which the keys first appear, reading one ranking after the other.

    Args:
        rankings: Each best first, no key twice in one of them.
        k: At least 0; the larger, the less the first ranks stand out.
        weights: One per ranking, at least 0; None for equal ones. A ranking of weight 0
            is left out, and with it the keys that it alone has.

    Raises:
        InvalidQuery: `k` or a weight is out of range, weights and rankings differ in
            number, or a ranking has a key twice.
    """
    if not (k >= 0 and math.isfinite(k)):
        raise InvalidQuery(f"k must be a finite number >= 0, got {k}")
    shares: dict[Key, list[float]] = {}
    for number, weight in enumerate(_checked_weights(weights, len(rankings))):
        ranking = rankings[number]
        if len(set(ranking)) < len(ranking):
            raise InvalidQuery(f"rankings[{number}] must have each key once, but repeats one")
        if weight == 0:
            continue
        for rank, key in enumerate(ranking, 1):
            shares.setdefault(key, []).append(weight / (k + rank))
    # fsum does not depend on the order of its terms, so that equal sums are equal.
    scored = [(key, math.fsum(terms)) for key, terms in shares.items()]
    return sorted(scored, key=lambda item: -item[1])


def maximal_marginal_relevance(
    scores: "Sequence[float] | NDArray[np.floating]",
    vectors: "NDArray[np.floating]",
    *,
    count: int,
    trade_off: float,
) -> list[int]:
    """Return indices of relevant items that are unlike each other, in order of choice.

    Maximal marginal relevance (Carbonell and Goldstein 1998): the next item has the
    largest trade_off * score - (1 - trade_off) * (cosine to the nearest chosen one). The
    first is the most relevant. Among equal values the more relevant item comes first,
    then the lower index.

    Args:
        scores: Relevance, shape (n,), on the scale of a cosine.
        vectors: Unit rows, shape (n, d).
        count: Most items to return; all n of them when larger.
        trade_off: 1 for relevance alone, 0 for diversity alone.

    Raises:
        InvalidQuery: a setting is out of range, the shapes do not fit, a value is not
            finite, or a row is not of unit length.
    """
    import numpy as np

    if count < 0:
        raise InvalidQuery(f"count must be at least 0, got {count}")
    if not 0.0 <= trade_off <= 1.0:
        raise InvalidQuery(f"trade_off must be in [0, 1], got {trade_off}")
    relevance_N = np.asarray(scores, dtype=np.float64)
    if relevance_N.ndim != 1 or not np.isfinite(relevance_N).all():
        raise InvalidQuery("scores must be finite numbers, one per row of vectors")
    # Products of single precision numbers are exact in double precision. Rounding the sums
    # back makes equal cosines equal, whatever order the matrix product adds them in.
    rows_ND = checked_rows(vectors, len(relevance_N)).astype(np.float64)
    order_N = np.argsort(-relevance_N, kind="stable")
    relevance_N, rows_ND = relevance_N[order_N], rows_ND[order_N]
    nearest_N = np.full(len(order_N), -np.inf)
    open_N = np.ones(len(order_N), dtype=bool)
    chosen: list[int] = []
    for _ in range(min(count, len(order_N))):
        value_N = trade_off * relevance_N
        if chosen:
            cosine_N = (rows_ND @ rows_ND[chosen[-1]]).astype(np.float32)
            nearest_N = np.maximum(nearest_N, cosine_N)
            value_N -= (1.0 - trade_off) * nearest_N
        best = int(np.argmax(np.where(open_N, value_N, -np.inf)))
        open_N[best] = False
        chosen.append(best)
    return [int(order_N[place]) for place in chosen]


def checked_rows(vectors: "NDArray[np.floating]", count: int) -> "NDArray[np.float32]":
    """Return a copy of `vectors` in single precision, of length 1 within its rounding.

    Raises:
        InvalidQuery: not `count` rows, or a row that is not of unit length.
    """
    import numpy as np

    rows_ND = np.asarray(vectors, dtype=np.float32)
    if rows_ND.ndim != 2 or len(rows_ND) != count:
        raise InvalidQuery(f"vectors must have shape ({count}, d), got {rows_ND.shape}")
    lengths_N = np.linalg.norm(rows_ND, axis=1)
    if (wrong_N := ~(np.abs(lengths_N - 1.0) <= _UNIT_TOLERANCE)).any():
        row = int(np.argmax(wrong_N))
        raise InvalidQuery(f"vectors must have unit rows, got length {lengths_N[row]} in row {row}")
    unit_ND: NDArray[np.float32] = rows_ND / lengths_N[:, None]
    return unit_ND


def _checked_weights(weights: Sequence[float] | None, count: int) -> Sequence[float]:
    if weights is None:
        return [1.0] * count
    if len(weights) != count:
        raise InvalidQuery(f"weights must be one per ranking, got {len(weights)} for {count}")
    if not all(weight >= 0 for weight in weights) or not math.isfinite(sum(weights)):
        raise InvalidQuery(f"weights must be finite numbers >= 0, got {list(weights)!r:.60}")
    return weights
