"""SentenceTransformersEmbedder: any model of the sentence-transformers library, in process.

The model comes from a folder, or by name from the model hub's local cache (downloaded
on first use unless HF_HUB_OFFLINE=1). A model that brings code of its own is refused,
from a folder too.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skillbank.embedders.extras import needed_from
from skillbank.embedding import EmbeddingModel, as_texts, unit_rows
from skillbank.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from sentence_transformers import SentenceTransformer

QWEN3_EMBEDDING = "Qwen/Qwen3-Embedding-0.6B"
"""The default: 1024 dimensions, and a query instruction of its own."""

_MAX_MESSAGE_CHARS = 300
# Every file that can change a vector; not README, images, or code that is never run.
_DECIDING = {".bin", ".json", ".model", ".safetensors", ".txt"}

Encode = Callable[..., Any]  # what the library's encode methods return depends on their arguments


class SentenceTransformersEmbedder:
    """Embeds with a sentence-transformers model and its own prompts."""

    def __init__(
        self,
        model_name_or_path: str = QWEN3_EMBEDDING,
        *,
        query_instruction: str | None = None,
        prompt_name: str | None = None,
        revision: str | None = None,
        truncate_dimensions: int | None = None,
        device: str | None = None,
        batch_size: int = 32,
    ) -> None:
        """Describe the embedder; the model is loaded when first needed.

        Args:
            model_name_or_path: A folder, or "owner/name" on the model hub.
            query_instruction: Put before each query as it stands; "" for none; None for
                the model's own.
            prompt_name: Which of the model's own prompts goes before queries; None for
                the one named "query", if there is one.
            revision: Commit, tag or branch on the model hub; a commit never changes.
            truncate_dimensions: Keep only the first numbers of each vector, for models
                trained for it; None for all.
            device: Such as "cpu" or "cuda:0"; None for an accelerator if there is one.
            batch_size: Texts per forward pass.
        """
        if query_instruction is not None and prompt_name is not None:
            raise EmbeddingError("give query_instruction or prompt_name, not both")
        if batch_size < 1:
            raise EmbeddingError(f"batch_size must be at least 1, got {batch_size}")
        if truncate_dimensions is not None and truncate_dimensions < 1:
            raise EmbeddingError(
                f"truncate_dimensions must be at least 1, got {truncate_dimensions}"
            )
        self._source = model_name_or_path
        self._query_instruction = query_instruction
        self._prompt_name = prompt_name
        self._revision = revision
        self._truncate_dimensions = truncate_dimensions
        self._device = device
        self._batch_size = batch_size
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    @property
    def model(self) -> EmbeddingModel:
        """Named after the hub's commit or the folder's content; loads the model.

        Raises:
            EmbeddingError: the extra is not installed, or the model cannot be loaded.
        """
        return self._load().model

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text, with the model's own prompt for documents.

        Raises:
            EmbeddingError: the extra is not installed, or the model cannot be loaded.
        """
        return self._embed(self._load().encoder.encode_document, texts)

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text, with the query instruction.

        Raises:
            EmbeddingError: the extra is not installed, or the model cannot be loaded.
        """
        encode = partial(
            self._load().encoder.encode_query,
            prompt=self._query_instruction,
            prompt_name=self._prompt_name,
        )
        return self._embed(encode, texts)

    def _embed(self, encode: Encode, texts: Sequence[str]) -> "NDArray[np.float32]":
        import numpy as np

        model = self.model
        if not (cleaned := as_texts(texts)):
            return np.empty((0, model.dimensions), dtype=np.float32)
        vectors = encode(cleaned, batch_size=self._batch_size, show_progress_bar=False)
        return unit_rows(vectors, model.name)

    def _load(self) -> "_Loaded":
        with self._lock:
            if self._loaded is None:
                encoder = self._read()
                self._loaded = _Loaded(encoder, self._identify(encoder))
            return self._loaded

    def _read(self) -> "SentenceTransformer":
        with needed_from("sentence-transformers"):
            from sentence_transformers import SentenceTransformer

        try:
            encoder = SentenceTransformer(
                self._source,
                revision=self._revision,
                truncate_dim=self._truncate_dimensions,
                device=self._device,
                trust_remote_code=False,
            )
        except Exception as err:  # a foreign folder can break its reader in any way
            message = " ".join(str(err).split())[:_MAX_MESSAGE_CHARS]
            raise EmbeddingError(
                f"cannot load the model {self._source!r}: {type(err).__name__}: {message}; "
                "give a folder with a sentence-transformers model, or a name on the model hub"
            ) from err
        if self._prompt_name is not None and self._prompt_name not in encoder.prompts:
            raise EmbeddingError(
                f"{self._source}: no prompt is named {self._prompt_name!r}; "
                f"the model has {', '.join(sorted(encoder.prompts)) or 'none'}"
            )
        return encoder

    def _identify(self, encoder: "SentenceTransformer") -> EmbeddingModel:
        folder = Path(self._source)
        if folder.is_dir():
            # Not its path: a folder may be moved, or get other content in its place.
            name = f"folder@{_digest(folder):.12}"
        else:
            config = getattr(encoder.transformers_model, "config", None)
            commit = getattr(config, "_commit_hash", None) or self._revision or "main"
            name = f"{self._source}@{commit}"
        dimensions = encoder.get_embedding_dimension()
        if dimensions is None:
            raise EmbeddingError(f"{self._source}: the model does not say how long its vectors are")
        return EmbeddingModel(name=f"sentence-transformers/{name}", dimensions=dimensions)


@dataclass(frozen=True, slots=True)
class _Loaded:
    encoder: "SentenceTransformer"
    model: EmbeddingModel


def _digest(folder: Path) -> str:
    """Return a SHA-256 over the files that decide what the model computes."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _DECIDING and path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            total.update(f"{path.relative_to(folder).as_posix()}\0{content}\n".encode())
    return total.hexdigest()
