"""The bank and the queries that every store of the comparison gets: seeded and synthetic.

Vectors lie near a 24-dimensional subspace, in clusters, with noise in all directions: the
shape of sentence embeddings, on which an index works well but not perfectly. Categories
are drawn without regard to the clusters, which is the hard case for a filter: the
neighbours that pass it are anywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Vectors: TypeAlias = NDArray[np.float32]

SEED = 20260822
QUERIES = 200
K = 10
SHARES = {"s0.1": 0.001, "s1": 0.01, "s4": 0.04, "s20": 0.20}
"""Category -> the share of the bank's skills that are of it; the rest is of 15 others."""

_INTRINSIC = 24
_SPREAD = 0.5
"""Deviation around a cluster's centre, centres having 1."""
_NOISE = 0.3
"""Length of the noise, the signal having 1."""
_WORDS = [
    *("check", "open", "close", "take", "put", "clean", "heat", "cool", "look", "find", "compare"),
    *("mug", "plate", "lamp", "drawer", "shelf", "cabinet", "counter", "fridge", "sink", "page"),
    *("result", "option", "price", "size", "colour", "query", "answer", "source", "goal", "step"),
    *("before", "after", "while", "every", "likely", "first", "next", "last", "only", "never"),
    *("always", "again", "whole", "single", "correct", "missing", "hidden", "small", "large"),
]


@dataclass(frozen=True, slots=True)
class Workload:
    """What is stored, what is asked, and what should be found."""

    vectors: Vectors
    """Unit rows, shape (n, d)."""
    categories: Sequence[str]
    """One per row."""
    queries: Vectors
    """Unit rows, shape (QUERIES, d), drawn like the rows."""

    def texts(self, row: int) -> tuple[str, str, str]:
        """Title, principle and situation of a row: as long as SkillRL's published skills."""
        rng = np.random.default_rng((SEED, row))
        words = [_WORDS[i] for i in rng.integers(len(_WORDS), size=42)]
        return f"{row} {' '.join(words[:3])}", " ".join(words[3:29]), " ".join(words[29:])

    def truth(
        self, category: str | None = None, rows: "NDArray[np.intp] | None" = None
    ) -> list[list[int]]:
        """The rows nearest to each query, at most K, by exact search in single precision.

        Args:
            category: Only rows of this category; None for all.
            rows: Only these rows; None for all.
        """
        rows = np.arange(len(self.vectors)) if rows is None else rows
        if category is not None:
            rows = rows[np.array(self.categories)[rows] == category]
        scores = self.queries @ self.vectors[rows].T
        return [rows[np.argsort(-line, kind="stable")[:K]].tolist() for line in scores]


def make_workload(n: int, dimensions: int) -> Workload:
    """Draw a bank of `n` skills and its queries."""
    rng = np.random.default_rng((SEED, n, dimensions))
    centres = rng.normal(size=(max(8, n // 100), _INTRINSIC))
    basis = rng.normal(size=(_INTRINSIC, dimensions)) / np.sqrt(_INTRINSIC * dimensions)

    def draw(count: int) -> Vectors:
        rows = np.empty((count, dimensions), dtype=np.float32)
        for start in range(0, count, 10_000):  # double precision of all at once is gigabytes
            part = rows[start : start + 10_000]
            latent = centres[rng.integers(len(centres), size=len(part))]
            latent = latent + _SPREAD * rng.normal(size=latent.shape)
            signal = latent @ basis / np.sqrt(1 + _SPREAD**2)
            noise = rng.normal(size=part.shape) * (_NOISE / np.sqrt(dimensions))
            part[:] = signal + noise
            part /= np.linalg.norm(part, axis=1, keepdims=True)
        return rows

    vectors = draw(n)
    categories = [f"other {i}" for i in rng.integers(15, size=n)]
    places = iter(rng.permutation(n))
    for name, share in SHARES.items():
        for _ in range(max(1, round(n * share))):
            categories[next(places)] = name
    return Workload(vectors, categories, draw(QUERIES))


def recall(found: Sequence[Sequence[int]], truth: Sequence[Sequence[int]]) -> float:
    """Share of the true neighbours that were found, over all queries."""
    hits = sum(len(set(f) & set(t)) for f, t in zip(found, truth, strict=True))
    return hits / sum(map(len, truth))
