import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from skillbank import Provenance, SchemaError, SkillDraft, from_json, from_record, to_json
from skillbank.embedding import (
    Embedder,
    EmbeddingModel,
    as_texts,
    document_text,
    document_vectors,
    query_vectors,
    unit_rows,
)
from skillbank.errors import EmbeddingError, SkillbankError

Ask = Callable[[Embedder, Sequence[str]], NDArray[np.float32]]
MODEL = EmbeddingModel(name="given/1", dimensions=2)


class Given:
    """An embedder that answers what it was told to, right or wrong."""

    model = MODEL

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self.answer  # type: ignore[return-value]  # wrong on purpose

    embed_queries = embed_documents


def f32(*rows: Sequence[float]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32)


def test_a_good_answer_passes() -> None:
    for ask in (document_vectors, query_vectors):
        np.testing.assert_array_equal(
            ask(Given(f32([0, 1], [-1, 0])), ["a", "b"]), [[0, 1], [-1, 0]]
        )


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (f32([0, 1]), r"given/1: expected shape \(2, 2\), got \(1, 2\)"),
        (f32([0, 1, 0], [0, 1, 0]), r"got \(2, 3\)"),
        (f32([0, 1])[0], r"got \(2,\)"),
        (np.eye(2), "float32 arrays, got float64"),
        ([[0.0, 1.0], [1.0, 0.0]], "float32 arrays, got list"),
        (f32([0, 1], [np.nan, 1]), "row 1 has a number that is not finite"),
        (f32([np.inf, 1], [0, 1]), "row 0 has a number that is not finite"),
        (f32([0, 1], [0, 0]), "row 1 has 0"),
        (f32([3, 4], [0, 1]), "row 0 has 5"),
    ],
)
@pytest.mark.parametrize("ask", [document_vectors, query_vectors])
def test_a_wrong_answer_is_refused_by_name(ask: Ask, answer: object, what: str) -> None:
    with pytest.raises(EmbeddingError, match=what):
        ask(Given(answer), ["a", "b"])


def test_a_little_drift_is_scaled_away_and_the_embedders_array_left_alone() -> None:
    theirs = f32([0.999, 0], [0, -1.005])
    vectors = document_vectors(Given(theirs), ["a", "b"])
    np.testing.assert_allclose(vectors, [[1, 0], [0, -1]], atol=1e-7)
    assert theirs[0, 0] == np.float32(0.999)


def test_no_texts_give_no_rows() -> None:
    assert document_vectors(Given(np.empty((0, 2), np.float32)), []).shape == (0, 2)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(0, 4), st.integers(1, 8)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    )
)
def test_unit_rows_have_length_one_whatever_their_size(vectors: NDArray[np.float64]) -> None:
    if (np.abs(vectors).max(axis=1) == 0).any():
        with pytest.raises(EmbeddingError, match="is all zeros"):
            unit_rows(vectors, "m")
        return
    unit = unit_rows(vectors, "m")
    assert unit.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1, atol=1e-6)


def test_unit_rows_keep_their_direction() -> None:
    # 3-4-5: by hand
    np.testing.assert_allclose(unit_rows([[3e200, -4e200]], "m"), [[0.6, -0.8]], atol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_unit_rows_refuse_what_is_not_finite(bad: float) -> None:
    with pytest.raises(EmbeddingError, match="row 1 has a number that is not finite"):
        unit_rows([[1.0, 2.0], [bad, 1.0]], "m")


def test_a_single_text_is_not_a_list_of_its_letters() -> None:
    with pytest.raises(EmbeddingError, match="list of texts, got the text 'mug'"):
        document_vectors(Given(f32([0, 1])), "mug")


def test_what_is_no_text_is_named() -> None:
    with pytest.raises(EmbeddingError, match="text 1 must be a str, got int"):
        as_texts(["a", 3])  # type: ignore[list-item]  # wrong on purpose


@given(st.lists(st.text(st.characters(exclude_categories=[]))))
def test_every_text_becomes_one_that_utf8_can_say(texts: list[str]) -> None:
    cleaned = as_texts(texts)
    assert [len(text) for text in cleaned] == [len(text) for text in texts]
    "".join(cleaned).encode()


@pytest.mark.parametrize("dimensions", [-1, 0, 4001])
def test_a_vector_has_1_to_4000_numbers(dimensions: int) -> None:
    with pytest.raises(
        EmbeddingError, match=rf"m: dimensions must be in \[1, 4000\], got {dimensions}"
    ):
        EmbeddingModel(name="m", dimensions=dimensions)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "a\u200bb", "m" * 301])
def test_a_models_name_is_short_and_visible(name: str) -> None:
    with pytest.raises(EmbeddingError, match="a model's name"):
        EmbeddingModel(name=name, dimensions=3)


def test_a_model_travels_as_json() -> None:
    text = to_json(MODEL)
    assert json.loads(text) == {
        "schema": "EmbeddingModel",
        "schema_version": 1,
        "name": "given/1",
        "dimensions": 2,
    }
    assert from_json(EmbeddingModel, text) == MODEL
    with pytest.raises(SchemaError, match="dimensions must be in"):
        from_record(EmbeddingModel, json.loads(text) | {"dimensions": 0})


def test_an_embedding_error_is_a_value_error_of_this_package() -> None:
    assert issubclass(EmbeddingError, SkillbankError)
    assert issubclass(EmbeddingError, ValueError)


def test_a_skill_is_embedded_with_its_situation_before_its_advice() -> None:
    draft = SkillDraft(
        title="Cool it",
        principle="Use the fridge.",
        when_to_apply="Something must be cold.",
        kind="task",
        category="cool",
        provenance=Provenance(source="manual"),
    )
    assert document_text(draft) == "Cool it\nSomething must be cold.\nUse the fridge."
