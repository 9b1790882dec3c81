"""LitellmEmbedder: any embedding model that litellm can reach, over the network.

litellm takes seconds to import, so it is loaded by the first text.
"""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

from skillbank.embedders.extras import needed_from
from skillbank.embedding import EmbeddingModel, as_texts, unit_rows
from skillbank.errors import EmbeddingError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_EXTRA = "litellm"
_MAX_MESSAGE_CHARS = 300
_NO_KEY = "none"  # some local servers need no key, but clients insist on sending one


class LitellmEmbedder:
    """Asks a server for vectors; every text leaves this machine unless the server is on it."""

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        api_base: str | None = None,
        api_key_env: str | None = None,
        query_instruction: str = "",
        batch_size: int = 64,
        timeout_s: float = 60.0,
    ) -> None:
        """Describe the embedder; nothing is loaded, read or sent yet.

        Args:
            model: As litellm names it, such as "text-embedding-3-small" or
                "ollama/nomic-embed-text".
            dimensions: Vector length that every answer must have, also sent to models
                that can shorten their vectors; None for the model's own, learned by
                embedding one word.
            api_base: Address of the server; None for the provider's own.
            api_key_env: The environment variable that holds the key, read at each call
                and never kept. None: the provider's usual variable, or no key at all
                where `api_base` is given.
            query_instruction: Put before each query as it stands.
            batch_size: Texts per request.
            timeout_s: Longest wait for one request, in seconds.
        """
        if batch_size < 1 or timeout_s <= 0:
            raise EmbeddingError(
                f"batch_size ({batch_size}) must be at least 1, timeout_s ({timeout_s}) positive"
            )
        self._model = model
        self._name = f"litellm/{model}"
        self._dimensions = dimensions
        self._api_base = api_base
        self._api_key_env = api_key_env
        self._query_instruction = query_instruction
        self._batch_size = batch_size
        self._timeout_s = timeout_s
        if dimensions is not None:
            _ = self.model  # refuses a senseless length

    @cached_property
    def model(self) -> EmbeddingModel:
        """litellm/ and the model; a first look asks the server if no length was given."""
        if self._dimensions is not None:
            return EmbeddingModel(name=self._name, dimensions=self._dimensions)
        return EmbeddingModel(name=self._name, dimensions=self._request(["word"]).shape[1])

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text.

        Raises:
            EmbeddingError: no key, a server that cannot be reached or refuses, or an
                answer of another length than it should have.
        """
        import numpy as np

        expected, cleaned = self.model.dimensions, as_texts(texts)
        vectors = np.empty((len(cleaned), expected), dtype=np.float32)
        for start in range(0, len(cleaned), self._batch_size):
            part = self._request(cleaned[start : start + self._batch_size])
            if part.shape[1] != expected:
                raise EmbeddingError(
                    f"{self._name}: expected vectors of {expected} numbers, got {part.shape[1]}; "
                    f"set dimensions to what the model gives"
                )
            vectors[start : start + self._batch_size] = part
        return vectors

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        """Return one unit row per text, each sent with the query instruction before it.

        Raises:
            EmbeddingError: as for documents.
        """
        return self.embed_documents([self._query_instruction + text for text in as_texts(texts)])

    def _request(self, texts: list[str]) -> "NDArray[np.float32]":
        litellm = _load_litellm()
        from openai import OpenAIError  # the parent of every error that litellm passes on

        key = self._key(litellm)
        try:
            answer = litellm.embedding(
                model=self._model,
                # Providers refuse an empty text; a blank one means the same.
                input=[text or " " for text in texts],
                dimensions=self._dimensions,
                api_base=self._api_base,
                api_key=key,
                timeout=self._timeout_s,
                encoding_format="float",
                drop_params=True,  # a model of fixed length still answers, and is checked
            )
        except OpenAIError as err:
            failure = self._failure(err, key)
        else:
            return unit_rows(self._vectors(answer.data, len(texts)), self._name)
        # Raised out here, so that no foreign exception, which may quote the key, is
        # attached to ours.
        raise failure

    def _key(self, litellm: ModuleType) -> str | None:
        if self._api_key_env is not None:
            if key := os.environ.get(self._api_key_env, ""):
                return key
            raise self._keyless(self._api_key_env)
        if self._api_base is not None:
            # Not None, for which litellm would send the provider's key to this server.
            return _NO_KEY
        unset = litellm.validate_environment(self._model)["missing_keys"]
        # Addresses are among them too, but most providers have one of their own.
        if keys := [name for name in unset if "KEY" in name]:
            raise self._keyless(" and ".join(keys))
        return None

    def _keyless(self, variable: str) -> EmbeddingError:
        return EmbeddingError(
            f"{self._name}: the environment variable {variable} is not set; put the key there"
        )

    def _failure(self, err: Exception, key: str | None) -> EmbeddingError:
        message = str(err).replace(key, "***") if key and key != _NO_KEY else str(err)
        message = " ".join(message.split())[:_MAX_MESSAGE_CHARS]
        where = f" at {self._api_base}" if self._api_base else ""
        return EmbeddingError(f"{self._name}{where}: {type(err).__name__}: {message}")

    def _vectors(self, data: Sequence[Mapping[str, Any]], count: int) -> list[list[float]]:
        # The order is the server's; the index says which text a vector belongs to.
        by_index = {entry["index"]: entry["embedding"] for entry in data}
        if sorted(by_index) != list(range(count)) or len(data) != count:
            raise EmbeddingError(
                f"{self._name}: expected {count} vectors, numbered from 0, "
                f"got {len(data)} numbered {sorted(by_index)!r:.80}"
            )
        vectors = [by_index[place] for place in range(count)]
        if len({len(vector) for vector in vectors}) != 1:
            raise EmbeddingError(f"{self._name}: the server's vectors differ in length")
        return vectors


def _load_litellm() -> ModuleType:
    # Its cost map comes from the package instead of the network, and its advice to
    # report bugs stays off the standard output.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with needed_from(_EXTRA):
        import litellm
    litellm.suppress_debug_info = True
    return litellm
