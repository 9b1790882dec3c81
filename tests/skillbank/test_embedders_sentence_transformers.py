import json
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.skillbank.fix_embedders import QUERY_PROMPT, TEST_PROMPT, save_tiny_model

from skillbank.embedders import SentenceTransformersEmbedder, embedder_from
from skillbank.embedding import document_vectors
from skillbank.errors import EmbeddingError

TEXTS = ["cool the mug", "", "поставь кружку", "search each drawer once " * 30]


def test_queries_get_the_models_own_prompt_and_documents_none(tiny_model: Path) -> None:
    embedder = SentenceTransformersEmbedder(str(tiny_model), device="cpu")
    queries = embedder.embed_queries(TEXTS)
    prompted = embedder.embed_documents([QUERY_PROMPT + text for text in TEXTS])
    np.testing.assert_allclose(queries, prompted, atol=1e-5)
    assert np.abs(queries - embedder.embed_documents(TEXTS)).max() > 0.01


@pytest.mark.parametrize(
    ("setting", "prompt"),
    [
        ({"query_instruction": "given a goal: "}, "given a goal: "),
        ({"query_instruction": ""}, ""),
        ({"prompt_name": "test"}, TEST_PROMPT),
    ],
)
def test_the_query_instruction_can_be_chosen(
    tiny_model: Path, setting: dict[str, str], prompt: str
) -> None:
    embedder = SentenceTransformersEmbedder(str(tiny_model), device="cpu", **setting)  # type: ignore[arg-type]  # mypy sees the numbers too
    prompted = embedder.embed_documents([prompt + text for text in TEXTS])
    np.testing.assert_allclose(embedder.embed_queries(TEXTS), prompted, atol=1e-5)


def test_truncated_vectors_are_the_start_of_the_whole_ones(tiny_model: Path) -> None:
    whole = SentenceTransformersEmbedder(str(tiny_model), device="cpu").embed_documents(TEXTS)
    short = SentenceTransformersEmbedder(str(tiny_model), device="cpu", truncate_dimensions=8)
    expected = whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose(document_vectors(short, TEXTS), expected, atol=1e-5)
    assert short.model.dimensions == 8


def test_a_folder_is_known_by_its_content(tiny_model: Path, tmp_path: Path) -> None:
    moved, other = tmp_path / "moved", tmp_path / "other"
    shutil.copytree(tiny_model, moved)
    (moved / "README.md").write_text("another description")
    save_tiny_model(other, seed=6)
    names = [
        SentenceTransformersEmbedder(str(folder), device="cpu").model.name
        for folder in (tiny_model, moved, other / "model")
    ]
    assert names[0] == names[1] != names[2]
    assert names[0].startswith("sentence-transformers/folder@")


def test_a_model_of_the_hub_is_known_by_its_commit(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hub's cache as a download leaves it; the tests run offline.
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "models--owner--tiny"
    shutil.copytree(tiny_model, kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(tmp_path))
    embedder = SentenceTransformersEmbedder("owner/tiny", device="cpu")
    assert embedder.model.name == f"sentence-transformers/owner/tiny@{commit}"
    pinned = embedder_from(f"sentence-transformers:owner/tiny@{commit}")
    assert pinned.model == embedder.model
    np.testing.assert_array_equal(pinned.embed_queries(["a"]), embedder.embed_queries(["a"]))


@pytest.mark.parametrize("name", ["no/such-model-anywhere", "/no/such/folder"])
def test_a_model_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(EmbeddingError, match=f"cannot load the model '{name}'"):
        _ = SentenceTransformersEmbedder(name, device="cpu").model


def test_a_broken_folder_is_named(tiny_model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    next(broken.rglob("*.safetensors")).write_bytes(b"not weights")
    with pytest.raises(EmbeddingError, match="broken'"):
        SentenceTransformersEmbedder(str(broken), device="cpu").embed_documents(["a"])


def test_a_models_own_code_never_runs(tiny_model: Path, tmp_path: Path) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(tiny_model, folder)
    (folder / "evil.py").write_text(
        "import pathlib\nfrom sentence_transformers.sentence_transformer.modules import Normalize\n"
        f"pathlib.Path({str(mark)!r}).touch()\nclass Evil(Normalize): ...\n"
    )
    modules = json.loads((folder / "modules.json").read_text())
    modules[-1]["type"] = "evil.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EmbeddingError, match=r"evil\.Evil"):
        SentenceTransformersEmbedder(str(folder), device="cpu").embed_documents(["a"])
    assert not mark.exists()


def test_an_unknown_prompt_lists_the_models_own(tiny_model: Path) -> None:
    embedder = SentenceTransformersEmbedder(str(tiny_model), device="cpu", prompt_name="nope")
    with pytest.raises(EmbeddingError, match=r"no prompt is named 'nope'; .* query, test"):
        embedder.embed_queries(["a"])


def test_sentence_transformers_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(EmbeddingError, match=r"pip install 'skillbank\[sentence-transformers\]'"):
        SentenceTransformersEmbedder("any").embed_documents(["a"])


def test_contradicting_settings_are_refused() -> None:
    with pytest.raises(EmbeddingError, match="not both"):
        SentenceTransformersEmbedder(query_instruction="a", prompt_name="b")
    with pytest.raises(EmbeddingError, match="batch_size"):
        SentenceTransformersEmbedder(batch_size=0)
    with pytest.raises(EmbeddingError, match="truncate_dimensions"):
        SentenceTransformersEmbedder(truncate_dimensions=0)


def test_two_threads_load_a_model_once(tiny_model: Path) -> None:
    embedder = SentenceTransformersEmbedder(str(tiny_model), device="cpu")
    start = threading.Barrier(2)

    def load() -> int:
        start.wait()
        return id(embedder._load())

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(load), pool.submit(load)
    assert first.result() == second.result()
