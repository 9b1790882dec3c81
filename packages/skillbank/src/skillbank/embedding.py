"""The seam between texts and vectors: what an embedder is, and what it must keep.

An embedder is any object with these two methods and one property; `skillbank.embedders`
has four. `document_vectors` and `query_vectors` are how a bank calls one: they trust none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from skillbank.characters import first_hidden
from skillbank.drafts import Worded
from skillbank.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

MAX_DIMENSIONS = 4000
"""Most numbers in a vector: what an index over pgvector's halfvec can hold."""

MAX_NAME = 300
"""Most characters in the name of a model."""

_MAX_DRIFT = 0.01  # of a row's length: room for float16 and bfloat16, none for a raw output


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingModel:
    """Identifies a vector space: vectors of equal models may be compared, others never."""

    schema_version: ClassVar[int] = 1

    name: str
    """Model and version, such as "minilm-int8/1" or "litellm/text-embedding-3-small"."""
    dimensions: int
    """Numbers in a vector, 1 to 4000."""

    def __post_init__(self) -> None:
        """Raise EmbeddingError for a name or number that no store can keep."""
        if not self.name.strip() or first_hidden(self.name) is not None:
            raise EmbeddingError(f"a model's name must be visible text, got {self.name!r:.80}")
        if len(self.name) > MAX_NAME:
            raise EmbeddingError(
                f"a model's name has at most {MAX_NAME} characters, "
                f"got {len(self.name)}: {self.name!r:.80}"
            )
        if not 1 <= self.dimensions <= MAX_DIMENSIONS:
            raise EmbeddingError(
                f"{self.name}: dimensions must be in [1, {MAX_DIMENSIONS}], got {self.dimensions}"
            )


class Embedder(Protocol):
    """Turns texts into unit vectors of one model; safe to call from several threads."""

    @property
    def model(self) -> EmbeddingModel:
        """The space its vectors lie in; a first look may load the model."""
        ...

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text, shape (len(texts), dimensions).

        An empty text has a vector too; no texts give shape (0, dimensions).

        Raises:
            EmbeddingError: the model cannot be loaded or reached, or answers nonsense.
        """
        ...

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Do the same with the model's instruction for queries, if it has one."""
        ...


def document_vectors(embedder: Embedder, texts: Sequence[str]) -> "NDArray[np.float32]":
    """Return what `embedder` makes of `texts`, if it is what it must be.

    Rows whose length is off by less than a hundredth are scaled to length 1.

    Returns:
        Unit rows, shape (len(texts), dimensions), in an array of their own.

    Raises:
        EmbeddingError: another type, shape or number format, a number that is not
            finite, or a row that is no unit vector; the message names the model.
    """
    return _checked(embedder.embed_documents(as_texts(texts)), embedder.model, len(texts))


def query_vectors(embedder: Embedder, texts: Sequence[str]) -> "NDArray[np.float32]":
    """Do the same for queries."""
    return _checked(embedder.embed_queries(as_texts(texts)), embedder.model, len(texts))


def as_texts(texts: Sequence[str]) -> list[str]:
    """Return `texts` as a list that every tokenizer and wire format accepts.

    Half characters (lone surrogates), which UTF-8 cannot say, become "?".

    Raises:
        EmbeddingError: a single text instead of several, or something that is no text.
    """
    if isinstance(texts, str):
        raise EmbeddingError(f"pass a list of texts, got the text {texts!r:.60}")
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise EmbeddingError(f"text {place} must be a str, got {type(text).__name__}")
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


def unit_rows(vectors: "ArrayLike", model_name: str) -> "NDArray[np.float32]":
    """Scale each row to length 1; for those who write embedders.

    Args:
        vectors: Shape (n, dimensions), any real numbers.
        model_name: For the message.

    Raises:
        EmbeddingError: a number that is not finite, or a row of zeros.
    """
    import numpy as np

    # In float64, so that no square overflows or vanishes on the way to the length.
    rows = _finite(np.asarray(vectors, dtype=np.float64), model_name)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    if (zero := np.flatnonzero(largest == 0)).size:
        raise EmbeddingError(f"{model_name}: row {zero[0]} is all zeros and has no direction")
    rows = rows / largest
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit.astype(np.float32)


def document_text(words: Worded) -> str:
    """Return what of a skill is embedded: title, when to apply it, principle.

    A change to this text changes every skill's vector, though not the model's name.
    """
    # The situation before the advice: queries describe situations, and a model with a
    # short window (MiniLM: 256 tokens) drops the end.
    return f"{words.title}\n{words.when_to_apply}\n{words.principle}"


def _checked(vectors: object, model: EmbeddingModel, count: int) -> "NDArray[np.float32]":
    import numpy as np

    if not isinstance(vectors, np.ndarray) or vectors.dtype != np.float32:
        got = getattr(vectors, "dtype", type(vectors).__name__)
        raise EmbeddingError(f"{model.name}: an embedder must return float32 arrays, got {got}")
    if vectors.shape != (expected := (count, model.dimensions)):
        raise EmbeddingError(f"{model.name}: expected shape {expected}, got {vectors.shape}")
    lengths = np.linalg.norm(_finite(vectors, model.name), axis=1)
    drift = np.abs(lengths - 1)
    if count and drift.max() > _MAX_DRIFT:
        raise EmbeddingError(
            f"{model.name}: rows must have length 1, "
            f"row {drift.argmax()} has {lengths[drift.argmax()]:.6g}"
        )
    unit: NDArray[np.float32] = vectors / lengths[:, np.newaxis]
    return unit


def _finite(vectors: "NDArray[np.floating]", model_name: str) -> "NDArray[np.floating]":
    import numpy as np

    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if bad.size:
        raise EmbeddingError(f"{model_name}: row {bad[0]} has a number that is not finite")
    return vectors
