"""HashingEmbedder: vectors without a model, for tests and offline trials.

Lexical, not semantic: texts are near when they share words or pieces of words.
"Cool the mug" is near "cooling mugs" and far from "chill the cup".
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

from skillbank.embedding import EmbeddingModel, as_texts, unit_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")
_PIECE_LENGTHS = (3, 4, 5)


class HashingEmbedder:
    """Signed feature hashing (arXiv:0902.2206) of words and their 3- to 5-grams.

    The same on every machine and in every process: nothing depends on Python's own
    string hash. Case, white space and Unicode's compatible forms make no difference.
    """

    def __init__(self, dimensions: int = 384) -> None:
        """Take a vector length, 1 to 4000; below a hundred, chance collisions dominate."""
        self._model = EmbeddingModel(name="hashing/1", dimensions=dimensions)

    @property
    def model(self) -> EmbeddingModel:
        """hashing/1, and the vector length."""
        return self._model

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text; queries and documents are treated alike."""
        import numpy as np

        rows = [self._row(text) for text in as_texts(texts)]
        shape = (len(rows), self._model.dimensions)
        return unit_rows(np.array(rows, dtype=np.float64).reshape(shape), self._model.name)

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text; queries and documents are treated alike."""
        return self.embed_documents(texts)

    def _row(self, text: str) -> list[float]:
        row = [0.0] * self._model.dimensions
        for feature, count in _features(text).items():
            place, sign = self._place(feature)
            row[place] += sign * (1 + math.log(count))
        if not any(row):  # nothing to hash, or everything collided and cancelled out
            row[self._place(text)[0]] = 1.0
        return row

    def _place(self, feature: str) -> tuple[int, int]:
        digest = int.from_bytes(blake2b(feature.encode(), digest_size=8).digest(), "big")
        # The lowest bit is the sign, so the place is drawn from the others.
        return (digest >> 1) % self._model.dimensions, 1 if digest & 1 else -1


def _features(text: str) -> Counter[str]:
    words = Counter(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
    features: Counter[str] = Counter()
    for word, count in words.items():
        for feature in _of_word(word):
            features[feature] += count
    return features


def _of_word(word: str) -> Iterator[str]:
    # The angle brackets, which no word holds, tell its start and end from its middle.
    marked = f"<{word}>"
    yield marked
    for length in _PIECE_LENGTHS:
        if length < len(marked):
            yield from (marked[at : at + length] for at in range(len(marked) - length + 1))
