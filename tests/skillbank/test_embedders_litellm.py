import json
import os
import sys

import numpy as np
import pytest
from tests.skillbank.fix_embedders import EmbeddingsServer, raw_vector, reply

from skillbank.embedders import LitellmEmbedder
from skillbank.embedding import document_vectors
from skillbank.errors import EmbeddingError

KEY = "sk-planted-41d0b8aa"


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.endswith("_API_KEY"):
            monkeypatch.delenv(name)


def test_each_vector_goes_to_its_text(embeddings_server: EmbeddingsServer) -> None:
    embedder = LitellmEmbedder("openai/local", api_base=embeddings_server.base, dimensions=16)
    raw = np.array([raw_vector(text, 16) for text in ("a", "b", "c")])
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder.embed_documents(["a", "b", "c"]), expected, atol=1e-6)


def test_texts_are_sent_in_batches_with_no_blank_among_them(
    embeddings_server: EmbeddingsServer,
) -> None:
    embedder = LitellmEmbedder(
        "openai/local", api_base=embeddings_server.base, dimensions=16, batch_size=2
    )
    embedder.embed_documents(["a", "", "c"])
    assert [body["input"] for body in embeddings_server.bodies] == [["a", " "], ["c"]]
    assert {body["model"] for body in embeddings_server.bodies} == {"local"}


def test_only_queries_carry_the_instruction(embeddings_server: EmbeddingsServer) -> None:
    embedder = LitellmEmbedder(
        "openai/local",
        api_base=embeddings_server.base,
        dimensions=16,
        query_instruction="query: ",
    )
    embedder.embed_documents(["a"])
    embedder.embed_queries(["b"])
    assert [body["input"] for body in embeddings_server.bodies] == [["a"], ["query: b"]]


def test_an_unknown_length_is_asked_for_once(embeddings_server: EmbeddingsServer) -> None:
    embedder = LitellmEmbedder("openai/local", api_base=embeddings_server.base)
    assert embedder.model.dimensions == 16
    assert embedder.model.name == "litellm/openai/local"
    assert len(embeddings_server.bodies) == 1


def test_a_model_that_can_shorten_its_vectors_is_asked_to(
    embeddings_server: EmbeddingsServer,
) -> None:
    embedder = LitellmEmbedder(
        "openai/text-embedding-3-small", api_base=embeddings_server.base, dimensions=24
    )
    assert document_vectors(embedder, ["a"]).shape == (1, 24)
    assert embeddings_server.bodies[0]["dimensions"] == 24


def test_another_length_than_agreed_is_refused(embeddings_server: EmbeddingsServer) -> None:
    embedder = LitellmEmbedder("openai/local", api_base=embeddings_server.base, dimensions=24)
    with pytest.raises(EmbeddingError, match="expected vectors of 24 numbers, got 16"):
        embedder.embed_documents(["a"])


def entry(index: int, *numbers: float) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": list(numbers)}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (reply([entry(0, 1.0, 0.0)]), "expected 2 vectors, numbered from 0, got 1"),
        (reply([entry(0, 1.0), entry(0, 1.0)]), r"got 2 numbered \[0\]"),
        (reply([entry(0, 1.0), entry(1, 1.0, 2.0)]), "differ in length"),
        (reply([entry(0, 1.0), entry(1, 0.0)]), "row 1 is all zeros"),
        ('{"object": "list", "data": [{"index": 0}], "usage": {}}', "litellm/openai/local"),
        ("<html>gateway</html>", "litellm/openai/local"),
    ],
)
def test_a_broken_answer_is_an_embedding_error(
    embeddings_server: EmbeddingsServer, body: str, what: str
) -> None:
    embeddings_server.replies = [(200, body)] * 3
    embedder = LitellmEmbedder("openai/local", api_base=embeddings_server.base, dimensions=1)
    with pytest.raises(EmbeddingError, match=what):
        embedder.embed_documents(["a", "b"])


def test_the_key_comes_from_the_named_variable_and_is_not_kept(
    embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDING_KEY", KEY)
    embedder = LitellmEmbedder(
        "openai/local", api_base=embeddings_server.base, api_key_env="EMBEDDING_KEY"
    )
    embedder.embed_documents(["a"])
    assert set(embeddings_server.keys) == {f"Bearer {KEY}"}
    assert KEY not in repr(vars(embedder))


def test_the_providers_key_is_not_sent_to_a_server_of_ones_own(
    embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    LitellmEmbedder("openai/local", api_base=embeddings_server.base).embed_documents(["a"])
    assert not any(KEY in str(key) for key in embeddings_server.keys)


def test_a_missing_key_names_the_variable(no_keys: None) -> None:
    with pytest.raises(EmbeddingError, match="EMBEDDING_KEY is not set"):
        LitellmEmbedder("openai/x", api_key_env="EMBEDDING_KEY", dimensions=3).embed_queries(["a"])
    with pytest.raises(EmbeddingError, match="OPENAI_API_KEY is not set"):
        _ = LitellmEmbedder("text-embedding-3-small").model


def test_a_refused_key_stays_out_of_the_error(
    embeddings_server: EmbeddingsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDING_KEY", KEY)
    said = json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}})
    embeddings_server.replies = [(401, said)]
    embedder = LitellmEmbedder(
        "openai/local", api_base=embeddings_server.base, api_key_env="EMBEDDING_KEY"
    )
    with pytest.raises(EmbeddingError, match=r"AuthenticationError.*Incorrect API key") as caught:
        embedder.embed_documents(["a"])
    assert KEY not in str(caught.value)
    assert caught.value.__context__ is caught.value.__cause__ is None


def test_a_passing_overload_is_sat_out(embeddings_server: EmbeddingsServer) -> None:
    embeddings_server.replies = [(503, "{}")]
    embedder = LitellmEmbedder("openai/local", api_base=embeddings_server.base, dimensions=16)
    assert document_vectors(embedder, ["a"]).shape == (1, 16)
    assert len(embeddings_server.bodies) == 2


def test_an_unreachable_server_is_named() -> None:
    embedder = LitellmEmbedder("openai/local", api_base="http://127.0.0.1:9/v1", dimensions=3)
    with pytest.raises(EmbeddingError, match=r"openai/local at http://127\.0\.0\.1:9/v1"):
        embedder.embed_documents(["a"])


def test_an_unknown_provider_is_named(no_keys: None) -> None:
    with pytest.raises(EmbeddingError, match="litellm/nobodys-model"):
        LitellmEmbedder("nobodys-model", dimensions=3).embed_documents(["a"])


def test_litellm_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "litellm", None)
    with pytest.raises(EmbeddingError, match=r"pip install 'skillbank\[litellm\]'"):
        LitellmEmbedder("any", dimensions=3).embed_documents(["a"])


def test_senseless_limits_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="dimensions must be in"):
        LitellmEmbedder("any", dimensions=0)
    with pytest.raises(EmbeddingError, match="batch_size"):
        LitellmEmbedder("any", batch_size=0)
    with pytest.raises(EmbeddingError, match="timeout_s"):
        LitellmEmbedder("any", timeout_s=0)
