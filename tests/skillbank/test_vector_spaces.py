"""Vectors of one model only: what does not fit is refused, and a change of model is safe."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.fix_bank import OpenBank, draft

from skillbank import EmbeddingError, InvalidQuery, RetrievalSettings, Skill, SkillBank
from skillbank.embedders import HashingEmbedder
from skillbank.embedding import EmbeddingModel

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUERY = "cool the tomato"
BY_VECTOR = RetrievalSettings(mode="embedding")


class Model:
    """Hashing under another name, turned by `turn` places; counts and can fail."""

    def __init__(self, name: str = "first/1", *, dimensions: int = 64, turn: int = 0) -> None:
        self.model = EmbeddingModel(name=name, dimensions=dimensions)
        self.texts: list[str] = []
        """Every document it has embedded."""
        self.fails: Callable[[int], None] = lambda count: None
        """Called with the number of documents before it embeds some."""
        self._hashing = HashingEmbedder(dimensions)
        self._turn = turn

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        self.fails(len(texts))
        self.texts += texts
        return self.embed_queries(texts)

    def embed_queries(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        return np.roll(self._hashing.embed_documents(texts), self._turn, axis=1)


class Broken(Model):
    """Returns whatever it is told to for every text but the probe."""

    def __init__(self, row: "NDArray[np.float32] | None") -> None:
        super().__init__()
        self._row = row

    def embed_documents(self, texts: Sequence[str]) -> "NDArray[np.float32]":
        if len(texts) == 1 and "mug" in texts[0]:
            return super().embed_documents(texts)
        if self._row is None:
            raise RuntimeError("the model's server hung up")
        return np.stack([self._row] * len(texts))


def titles(bank: SkillBank, *, revision: int | None = None) -> list[str]:
    return [hit.skill.title for hit in bank.search(QUERY, revision=revision)]


def test_a_bank_remembers_its_model(open_bank: OpenBank) -> None:
    open_bank(embedder=Model()).add([draft("Cool the tomato"), draft("Open the door")])
    assert titles(open_bank(embedder=Model())) == ["Cool the tomato", "Open the door"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (Model("second/1"), r"vectors are of 'first/1' \(64.*the embedder is 'second/1' \(64\)"),
        (Model(dimensions=32), r"vectors are of 'first/1' \(64.*is 'first/1' \(32\)"),
        (Model(turn=1), "calls itself 'first/1' as the bank's does, but embeds a known sentence"),
    ],
    ids=["another model", "another length", "an impostor"],
)
def test_vectors_of_two_models_never_meet(open_bank: OpenBank, other: Model, message: str) -> None:
    bank = open_bank(embedder=Model())
    (skill,) = bank.add([draft("Cool the tomato")])
    stranger = open_bank(embedder=other)
    attempts: list[Callable[[], object]] = [
        lambda: stranger.add([draft("new")]),
        lambda: stranger.revise(skill.id, draft("new"), reason="r"),
        lambda: stranger.split(skill.id, [draft("new"), draft("newer")], reason="r"),
        lambda: stranger.search(QUERY),
        lambda: stranger.search(QUERY, mode="hybrid"),
        lambda: stranger.retrieve(QUERY, category=None, settings=BY_VECTOR),
    ]
    for attempt in attempts:
        with pytest.raises(EmbeddingError, match=message):
            attempt()
    assert (bank.revision, bank.skills()) == (1, [skill])
    assert [hit.skill for hit in stranger.search(QUERY, mode="text")] == [skill]
    stranger.retire(skill.id, reason="no vector is needed for that")


def test_an_impostor_cannot_reembed(open_bank: OpenBank) -> None:
    bank = open_bank(embedder=Model())
    bank.add([draft("Cool the tomato")])
    with pytest.raises(EmbeddingError, match="name it differently"):
        open_bank(embedder=Model(turn=1)).reembed()
    assert bank.revision == 1


def test_without_an_embedder_a_bank_with_vectors_is_read_and_not_added_to(
    open_bank: OpenBank,
) -> None:
    (skill,) = open_bank(embedder=Model()).add([draft("Cool the tomato")])
    bank = open_bank()
    with pytest.raises(EmbeddingError, match=r"vectors of 'first/1' \(64 dimensions\); open it"):
        bank.add([draft("new")])
    with pytest.raises(EmbeddingError, match="open it with the new embedder"):
        bank.reembed()
    assert [hit.skill for hit in bank.search(QUERY)] == [skill]
    assert bank.add([draft("cool the TOMATO")]) == [skill]


def test_a_bank_without_vectors_needs_them_before_it_takes_new_skills(open_bank: OpenBank) -> None:
    open_bank().add([draft("Cool the tomato"), draft("Open the door")])
    bank = open_bank(embedder=Model())
    with pytest.raises(EmbeddingError, match="2 skills of this bank have no vectors yet; call ree"):
        bank.add([draft("new")])
    with pytest.raises(EmbeddingError, match="has a vector at revision 1"):
        bank.search(QUERY)
    assert bank.search(QUERY, mode="text")
    assert bank.reembed() == 2
    bank.add([draft("Tomato")])
    assert set(titles(bank)) == {"Cool the tomato", "Open the door", "Tomato"}
    assert bank.revision == 3
    with pytest.raises(EmbeddingError, match="has a vector at revision 1"):
        bank.search(QUERY, revision=1)


def test_reembedding_keeps_to_the_new_model_and_the_old_revisions_to_the_old(
    open_bank: OpenBank,
) -> None:
    first, second = Model(), Model("second/1", dimensions=32)
    old = open_bank(embedder=first)
    doomed, kept = old.add([draft("Cool the tomato"), draft("Open the door")])
    old.retire(doomed.id, reason="r")
    new = open_bank(embedder=second)
    told: list[tuple[int, int]] = []
    assert new.reembed(progress=lambda done, total: told.append((done, total))) == 2
    assert told[-1] == (2, 2)
    assert (new.revision, titles(new)) == (3, ["Open the door"])
    assert titles(old, revision=1) == ["Cool the tomato", "Open the door"]
    assert titles(old, revision=2) == ["Open the door"]
    with pytest.raises(EmbeddingError, match=r"vectors are of 'second/1'.*is 'first/1'"):
        old.search(QUERY)
    with pytest.raises(EmbeddingError, match=r"vectors are of 'first/1'.*is 'second/1'"):
        new.search(QUERY, revision=2)
    assert new.reembed() == 0
    assert new.revision == 3
    new.activate(doomed.id, 1, reason="it has a vector of either model")
    assert titles(new)[0] == "Cool the tomato"
    assert old.skills(revision=1) == [doomed, kept]


def test_a_pinned_revision_answers_as_before_after_a_change_of_model(open_bank: OpenBank) -> None:
    old = open_bank(embedder=Model())
    old.add([draft("Cool the tomato"), draft("Cool the apple"), draft("Open the door")])

    def asked() -> object:
        settings = RetrievalSettings(mode="hybrid", diversity=0.3)
        return (
            old.search(QUERY, revision=1),
            old.retrieve(QUERY, category=None, settings=settings, revision=1),
        )

    before = asked()
    open_bank(embedder=Model("second/1", turn=5)).reembed()
    assert asked() == before


def test_a_bank_can_go_back_to_a_model_it_had(open_bank: OpenBank) -> None:
    first, second = Model(), Model("second/1", turn=3)
    open_bank(embedder=first).add([draft("Cool the tomato")])
    open_bank(embedder=second).reembed()
    open_bank(embedder=second).add([draft("Tomato")])
    first.texts.clear()
    back = open_bank(embedder=first)
    assert back.reembed() == 1
    assert [text for text in first.texts if "omato" in text] == [
        "Tomato\nalways\nLook before you act."
    ]
    assert titles(back) == ["Cool the tomato", "Tomato"]


def test_an_interrupted_reembedding_goes_on_where_it_was(open_bank: OpenBank) -> None:
    old = open_bank(embedder=Model())
    old.add([draft(f"skill {number}") for number in range(25)])
    second = Model("second/1")
    bank = open_bank(embedder=second)

    def stop_at_the_third(count: int) -> None:
        if len(second.texts) >= 21:  # the probe and two batches
            raise KeyboardInterrupt

    second.fails = stop_at_the_third
    with pytest.raises(KeyboardInterrupt):
        bank.reembed(batch_size=10)
    assert len(titles(old)) == 10  # the old space is still the bank's
    assert bank.revision == 1
    second.fails = lambda count: None
    assert bank.reembed(batch_size=10) == 5
    assert len(second.texts) == len(set(second.texts)) == 26
    assert bank.revision == 2
    assert len(bank.search("skill", 100)) == 25


def test_others_write_and_search_while_a_bank_is_reembedded(open_bank: OpenBank) -> None:
    old, second = open_bank(embedder=Model()), Model("second/1", turn=7)
    old.add([draft(f"Cool tomato {number}") for number in range(30)])
    new = open_bank(embedder=second)
    seen: list[tuple[int, int]] = []

    def in_between(done: int, total: int) -> None:
        if new.revision > 1 + 3 * len(seen):
            return  # changed over
        (added,) = old.add([draft(f"Cool apple {done}")])
        assert added in [hit.skill for hit in old.search(QUERY, 100)]
        old.revise(added.id, draft(f"Cool apple {done}, better"), reason="r")
        old.retire(old.skills()[0].id, reason="r")
        seen.append((done, total))

    new.reembed(progress=in_between, batch_size=10)
    active = {skill.id for skill in new.skills()}
    assert len(seen) >= 3
    assert {hit.skill.id for hit in new.search(QUERY, 100)} == active
    with pytest.raises(EmbeddingError, match="'second/1'"):
        old.add([draft("too late")])


def test_a_reembedding_in_another_thread_loses_no_write(open_bank: OpenBank) -> None:
    old, new = open_bank(embedder=Model()), open_bank(embedder=Model("second/1"))
    old.add([draft(f"skill {number}") for number in range(20)])
    added: list[Skill] = []
    started = threading.Event()

    def write() -> None:
        for number in range(1000):
            try:
                added.extend(old.add([draft(f"more {number}")]))
            except EmbeddingError:
                return  # changed over
            finally:
                started.set()

    writer = threading.Thread(target=write)
    writer.start()
    started.wait()
    new.reembed(batch_size=8)
    writer.join()
    assert {hit.skill.id for hit in new.search("skill", 1000)} == {s.id for s in new.skills()}
    assert len(new.skills()) == 20 + len(added)
    assert new.revision == 1 + len(added) + 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (None, "hung up"),
        (np.full(64, np.nan, np.float32), "not finite"),
        (np.zeros(64, np.float32), "must have length 1"),
        (np.eye(1, 65, dtype=np.float32)[0], r"expected shape \(2, 64\), got \(2, 65\)"),
        (np.eye(1, 64, dtype=np.float64)[0], "must return float32 arrays, got float64"),
    ],
    ids=["raises", "nan", "zeros", "shape", "float64"],
)
def test_a_failing_embedder_leaves_the_bank_unchanged(
    open_bank: OpenBank, row: "NDArray[np.float32] | None", message: str
) -> None:
    one, two = open_bank(embedder=Model()).add([draft("one"), draft("two")])
    bank = open_bank(embedder=Broken(row))
    attempts: list[Callable[[], object]] = [
        lambda: bank.add([draft("three"), draft("four")]),
        lambda: bank.split(one.id, [draft("three"), draft("four")], reason="r"),
    ]
    for attempt in attempts:
        with pytest.raises((EmbeddingError, RuntimeError), match=message):
            attempt()
    assert (bank.revision, bank.skills()) == (1, [one, two])


def test_a_failing_embedder_changes_over_to_nothing(open_bank: OpenBank) -> None:
    open_bank(embedder=Model()).add([draft("one"), draft("two")])
    other = Model("second/1")
    bank = open_bank(embedder=other)

    def hang_up(count: int) -> None:
        if count == 2:
            raise EmbeddingError("the model's server hung up")

    other.fails = hang_up
    with pytest.raises(EmbeddingError, match="hung up"):
        bank.reembed()
    assert open_bank(embedder=Model()).search("one")[0].skill.title == "one"
    assert bank.revision == 1


@pytest.mark.parametrize("batch_size", [0, -1])
def test_a_batch_of_nothing_is_refused(open_bank: OpenBank, batch_size: int) -> None:
    with pytest.raises(InvalidQuery, match=f"batch_size must be at least 1, got {batch_size}"):
        open_bank(embedder=Model()).reembed(batch_size=batch_size)


def test_near_duplicates_are_reported_and_left_alone(open_bank: OpenBank) -> None:
    texts = [draft("Cool the tomato in the fridge"), draft("Open the door"), draft("Close it")]
    texts.append(draft("Cool the tomato in the fridge."))
    open_bank().add(texts)
    by_words = open_bank().near_duplicates()
    assert [(pair.first.version, pair.similarity) for pair in by_words] == [(1, 1.0)]
    bank = open_bank(embedder=HashingEmbedder())
    bank.reembed()
    (pair,) = bank.near_duplicates()
    ids = [skill.id for skill in bank.skills()]
    assert (pair.first.skill_id, pair.second.skill_id) == (ids[0], ids[3])
    assert pair.similarity == pytest.approx(1.0, abs=1e-3)
    assert len(bank.near_duplicates(threshold=0.01)) > 1
    assert len(bank.skills()) == 4
    bank.retire(ids[3], reason="said twice")
    assert bank.near_duplicates() == []
    with pytest.raises(InvalidQuery, match=r"threshold must be in \(0, 1\], got 0"):
        bank.near_duplicates(threshold=0)


def test_an_impostor_of_a_model_the_bank_had_once_cannot_reembed(open_bank: OpenBank) -> None:
    first, second = Model(), Model("second/1", turn=3)
    open_bank(embedder=first).add([draft("Cool the tomato")])
    open_bank(embedder=second).reembed()
    open_bank(embedder=second).add([draft("Tomato")])
    bank = open_bank(embedder=Model(turn=1))
    with pytest.raises(EmbeddingError, match="name it differently"):
        bank.reembed()
    assert bank.revision == 3
    assert open_bank(embedder=second).search(QUERY, 1)


def test_a_bank_that_has_nothing_yet_is_searched_without_an_error(open_bank: OpenBank) -> None:
    bank = open_bank(embedder=Model())
    hybrid = RetrievalSettings(mode="hybrid", diversity=0.5)
    for _ in range(2):
        for mode in ("text", "embedding", "hybrid"):
            assert bank.search(QUERY, mode=mode, revision=0) == []
        for settings in (BY_VECTOR, hybrid):
            got = bank.retrieve(QUERY, category=None, settings=settings, revision=0)
            assert (got.hits, got.eligible, got.revision) == ((), (), 0)
        if bank.revision == 0:
            assert bank.search(QUERY) == []
            assert bank.retrieve(QUERY, category=None, settings=hybrid).revision == 0
        bank.add([draft("Cool the tomato")])
    assert titles(bank) == ["Cool the tomato"]
