"""Four embedders, and how to name one in a configuration.

What each needs is imported when it is first used, not here.
"""

from pathlib import Path

from skillbank.embedders.hashing import HashingEmbedder
from skillbank.embedders.litellm import LitellmEmbedder
from skillbank.embedders.minilm import MiniLmEmbedder
from skillbank.embedders.sentence_transformers import SentenceTransformersEmbedder
from skillbank.embedding import MAX_DIMENSIONS, Embedder
from skillbank.errors import EmbeddingError

__all__ = [
    "HashingEmbedder",
    "LitellmEmbedder",
    "MiniLmEmbedder",
    "SentenceTransformersEmbedder",
    "embedder_from",
]

_SPECS = (
    "hashing, hashing:DIMENSIONS, minilm, "
    "sentence-transformers[:PATH or NAME or NAME@REVISION], litellm:MODEL[:DIMENSIONS]"
)


def embedder_from(spec: str) -> Embedder:
    """Return the embedder that a line of configuration names; loads no model yet.

    Args:
        spec: "hashing", "hashing:256", "minilm", "sentence-transformers" for the default
            model, "sentence-transformers:PATH", "sentence-transformers:NAME@REVISION",
            "litellm:MODEL" or "litellm:MODEL:DIMENSIONS".

    Raises:
        EmbeddingError: the text names no embedder.
    """
    match spec.split(":", 1):
        case ["hashing"]:
            return HashingEmbedder()
        case ["hashing", size] if (dimensions := _dimensions(size)) is not None:
            return HashingEmbedder(dimensions)
        case ["minilm"]:
            return MiniLmEmbedder()
        case ["sentence-transformers"]:
            return SentenceTransformersEmbedder()
        case ["sentence-transformers", place] if place:
            return _sentence_transformers(place)
        case ["litellm", model] if model:
            return _litellm(model)
    raise EmbeddingError(f"no embedder is called {spec!r:.80}; there are: {_SPECS}")


def _sentence_transformers(place: str) -> SentenceTransformersEmbedder:
    name, at, revision = place.rpartition("@")
    if not at or Path(place).exists():
        return SentenceTransformersEmbedder(place)
    return SentenceTransformersEmbedder(name, revision=revision)


def _litellm(model: str) -> LitellmEmbedder:
    # A model's own name may end in a colon and a number: "titan-embed-text-v2:0".
    name, _, tail = model.rpartition(":")
    if name and (dimensions := _dimensions(tail)) is not None:
        return LitellmEmbedder(name, dimensions=dimensions)
    return LitellmEmbedder(model)


def _dimensions(text: str) -> int | None:
    digits = text.isascii() and text.isdigit() and len(text) <= len(str(MAX_DIMENSIONS))
    return int(text) if digits and 1 <= int(text) <= MAX_DIMENSIONS else None
