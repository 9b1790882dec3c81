"""What each mode of search and retrieval gives, on each kind of bank."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import get_args

import pytest
from tests.fix_bank import ATTACK, OpenBank, draft

from skillbank import (
    EmbeddingError,
    Hit,
    InvalidQuery,
    Kind,
    RetrievalSettings,
    Retrieved,
    Skill,
    SkillBank,
    SkillDraft,
    render,
)
from skillbank.embedders import HashingEmbedder
from skillbank.embedding import document_text
from skillbank.ranking import reciprocal_rank_fusion
from skillbank.retrieval import Mode

EMBEDDER = HashingEmbedder()
SEARCH_MODES: tuple[Mode, ...] = ("text", "embedding", "hybrid")
EVERYTHING = RetrievalSettings(k_general=1000, k_mistakes=1000)
QUERY = "cool a tomato in the fridge"
KITCHEN = [
    draft("Check the counter", principle="Look on the counter before anything else."),
    draft("Cool the tomato", kind="task", category="cool", principle="Open the fridge."),
    draft("Heat the apple", kind="task", category="heat", principle="Use the microwave."),
    draft("Carry one thing", principle="Carry one tomato at a time to the fridge."),
    draft("Do not burn it", kind="mistake", category="heat", principle="Do not overheat."),
    draft("Cool the apple", kind="task", category="cool", principle="Close the fridge after."),
    draft(
        "Do not freeze it", kind="mistake", category="cool", principle="No tomato in the freezer."
    ),
    draft("Leave no door open", kind="mistake", principle="Close every door of the fridge."),
]


@pytest.fixture
def kitchen(open_bank: OpenBank) -> SkillBank:
    bank = open_bank(embedder=EMBEDDER)
    bank.add(KITCHEN)
    return bank


def titles(hits: Sequence[Hit]) -> list[str]:
    return [hit.skill.title for hit in hits]


def cosine(skill: Skill | SkillDraft, query: str) -> float:
    rows = EMBEDDER.embed_documents([document_text(skill)]), EMBEDDER.embed_queries([query])
    return float(rows[0][0] @ rows[1][0])


def test_the_embedder_decides_the_mode_that_is_not_named(
    kitchen: SkillBank, open_bank: OpenBank
) -> None:
    assert kitchen.search(QUERY) == kitchen.search(QUERY, mode="embedding")
    without = open_bank()
    assert without.search(QUERY) == kitchen.search(QUERY, mode="text")
    with pytest.raises(EmbeddingError, match="open the bank with embedder="):
        without.search(QUERY, mode="embedding")


@pytest.mark.parametrize("mode", SEARCH_MODES)
def test_the_best_come_first_with_their_ranks(kitchen: SkillBank, mode: Mode) -> None:
    hits = kitchen.search(QUERY, mode=mode)
    scores = [hit.score or 0.0 for hit in hits]
    assert titles(hits)[0] == "Cool the tomato"
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in hits] == list(range(len(hits)))
    assert hits[:3] == kitchen.search(QUERY, 3, mode=mode)


def test_an_embedding_score_is_the_cosine(kitchen: SkillBank) -> None:
    for hit in kitchen.search(QUERY):
        assert hit.score == pytest.approx(cosine(hit.skill, QUERY), abs=2e-3)


def test_text_finds_any_word_and_nothing_without_one(kitchen: SkillBank) -> None:
    assert set(titles(kitchen.search("apples", mode="text"))) == {
        "Heat the apple",
        "Cool the apple",
    }
    assert kitchen.search("zebra", mode="text") == []
    assert len(kitchen.search("zebra", mode="embedding")) == len(KITCHEN)


def test_hybrid_is_the_fusion_of_the_two_rankings(kitchen: SkillBank) -> None:
    lists = [
        [hit.skill.title for hit in kitchen.search(QUERY, mode=mode)]
        for mode in ("text", "embedding")
    ]
    expected = reciprocal_rank_fusion(lists)
    assert [(h.skill.title, h.score) for h in kitchen.search(QUERY, mode="hybrid")] == expected


@pytest.mark.parametrize("mode", SEARCH_MODES)
def test_only_active_skills_are_found(kitchen: SkillBank, mode: Mode) -> None:
    words = "cooling the tomato in a fridge"
    kitchen.add([draft("waiting", principle=words)], status="candidate")
    (stopped,) = kitchen.add([draft("stopped", principle=f"{words}. {ATTACK}")])
    gone, _, pulled = kitchen.add(
        [draft(name, principle=words) for name in ("gone", "shown", "pulled")]
    )
    kitchen.retire(gone.id, reason="r")
    kitchen.quarantine(pulled.id, reason="r")
    assert stopped.status == "quarantined"
    found = titles(kitchen.search(words, 100, mode=mode))
    assert "shown" in found
    assert {"waiting", "stopped", "gone", "pulled"}.isdisjoint(found)
    settings = replace(EVERYTHING, mode=mode)
    assert set(titles(kitchen.retrieve(words, category=None, settings=settings).hits)) <= {
        *found,
        *(entry.title for entry in KITCHEN),
    }
    kitchen.activate(stopped.id, 1, reason="read by a person")
    assert "stopped" in titles(kitchen.search(words, 100, mode=mode))
    earlier = kitchen.search(words, 100, mode=mode, revision=4)
    assert {"gone", "shown", "pulled"} <= set(titles(earlier))


@pytest.mark.parametrize("mode", ["text", "embedding"])
def test_no_filter_loses_a_neighbour(open_bank: OpenBank, mode: Mode) -> None:
    rng = random.Random(3)
    bank = open_bank(embedder=EMBEDDER, screen=None)
    nouns = [f"{a}{b}" for a in ("mug", "lamp", "sink", "desk") for b in ("one", "two", "three")]
    kinds: tuple[Kind, ...] = get_args(Kind)
    for _ in range(4):  # several revisions, some of what they hold superseded
        new = []
        for number in range(30):
            kind = rng.choice(kinds)
            category = None if kind == "general" else rng.choice(["cool", "heat", "pick"])
            words = " ".join(rng.sample(nouns, 4))
            new.append(draft(f"{words} {number}", kind=kind, category=category))
        bank.add(new)
        for skill in rng.sample(bank.skills(), 5):
            bank.retire(skill.id, reason="r")
    query = " ".join(rng.sample(nouns, 3))
    for category in (None, "cool", "pick"):
        for wanted in (kinds, ("task",), ("mistake", "general")):
            hits = bank.search(query, 7, category=category, kinds=wanted, mode=mode)
            passing = [
                skill
                for skill in bank.skills()
                if skill.kind in wanted and category in (None, skill.category)
            ]
            assert {hit.skill.id for hit in hits} <= {skill.id for skill in passing}
            if mode == "embedding":
                best = sorted((cosine(skill, query) for skill in passing), reverse=True)[:7]
                assert [hit.score for hit in hits] == pytest.approx(best, abs=2e-3)
            else:
                matching = [s for s in passing if set(s.title.split()) & set(query.split())]
                assert len(hits) == min(7, len(matching))


def test_a_threshold_drops_what_is_too_far(kitchen: SkillBank) -> None:
    hits = kitchen.search(QUERY)
    least = hits[2].score
    assert kitchen.search(QUERY, min_score=least) == hits[:3]
    settings = replace(EVERYTHING, mode="embedding", any_category=True, min_score=least)
    got = kitchen.retrieve(QUERY, category=None, settings=settings)
    assert sorted(titles(got.hits)) == sorted(titles(hits[:3]))
    assert len(got.eligible) == 3
    assert kitchen.search(QUERY, mode="text", min_score=1e9) == []


def test_ranked_kinds_keep_their_places_in_the_prompt(kitchen: SkillBank) -> None:
    settings = RetrievalSettings(mode="embedding")
    hits = kitchen.retrieve(QUERY, category="cool", settings=settings).hits
    assert [hit.skill.kind for hit in hits] == ["general"] * 2 + ["task"] * 2 + ["mistake"] * 2
    for kind in get_args(Kind):
        scores = [hit.score or 0.0 for hit in hits if hit.skill.kind == kind]
        assert scores == sorted(scores, reverse=True)
    assert {hit.skill.category for hit in hits} == {None, "cool"}


def test_any_category_lets_all_of_them_compete(kitchen: SkillBank) -> None:
    settings = replace(EVERYTHING, any_category=True)
    for mode in ("template", *SEARCH_MODES):
        hits = kitchen.retrieve(QUERY, category="cool", settings=replace(settings, mode=mode)).hits
        expected = {entry.title for entry in KITCHEN}
        assert set(titles(hits)) == expected


def test_the_papers_template_is_the_default(kitchen: SkillBank) -> None:
    assert RetrievalSettings.paper() == RetrievalSettings()
    got = kitchen.retrieve(QUERY, category="cool")
    assert titles(got.hits) == [
        "Check the counter",
        "Carry one thing",
        "Cool the tomato",
        "Cool the apple",
        "Do not freeze it",
        "Leave no door open",
    ]


def test_the_papers_embedding_mode_ranks_the_task_skills_of_all_categories(
    kitchen: SkillBank,
) -> None:
    kitchen.add([draft(f"heat {n}", kind="task", category="heat") for n in range(6)])
    got = kitchen.retrieve(QUERY, category="cool", settings=RetrievalSettings.paper("embedding"))
    task = [hit for hit in got.hits if hit.skill.kind == "task"]
    assert len(task) == 6
    assert {hit.skill.category for hit in task} == {"cool", "heat"}
    mistakes = [hit for hit in got.hits if hit.skill.kind == "mistake"]
    assert titles(mistakes) == ["Do not burn it", "Do not freeze it", "Leave no door open"]
    assert {hit.score for hit in mistakes} == {None}


def test_diversity_prefers_what_differs_from_what_was_chosen(open_bank: OpenBank) -> None:
    bank = open_bank(embedder=EMBEDDER)
    bank.add(
        [
            draft("Cool a tomato in the fridge now"),
            draft("Cool a tomato in the fridge soon"),
            draft("Close the fridge"),
        ]
    )
    for mode in ("embedding", "hybrid"):
        near = RetrievalSettings(mode=mode, k_general=2)
        plain = titles(bank.retrieve(QUERY, category=None, settings=near).hits)
        assert set(plain) == {entry.skill.title for entry in bank.search(QUERY, 2)}
        mixed = bank.retrieve(QUERY, category=None, settings=replace(near, diversity=0.7))
        assert titles(mixed.hits) == [plain[0], "Close the fridge"]
        assert len(mixed.eligible) == 3


def refs(hits: Sequence[Hit]) -> list[tuple[str, int]]:
    return [(hit.skill.id, hit.skill.version) for hit in hits]


def eligible(got: Retrieved) -> list[tuple[str, int]]:
    return [(ref.skill_id, ref.version) for ref in got.eligible]


@pytest.mark.parametrize("mode", ["template", *SEARCH_MODES])
def test_eligible_is_what_could_have_been_shown(kitchen: SkillBank, mode: Mode) -> None:
    everything = kitchen.retrieve(QUERY, category="cool", settings=replace(EVERYTHING, mode=mode))
    assert refs(everything.hits) == eligible(everything)
    capped = RetrievalSettings(mode=mode, k_general=1, k_task=1, k_mistakes=0)
    got = kitchen.retrieve(QUERY, category="cool", settings=capped)
    assert len(got.hits) == 2
    expected = refs(got.hits) if mode == "template" else eligible(everything)
    assert eligible(got) == expected
    budget = len(render(got.hits[:1]))
    cut = kitchen.retrieve(
        QUERY, category="cool", settings=replace(capped, max_tokens=budget), count_tokens=len
    )
    assert (cut.hits, eligible(cut)) == (got.hits[:1], expected)


def test_mistakes_by_age_and_none_of_them_make_none_eligible(kitchen: SkillBank) -> None:
    settings = RetrievalSettings(mode="embedding", rank_mistakes=False, k_mistakes=0)
    got = kitchen.retrieve(QUERY, category="cool", settings=settings)
    mistakes = {skill.id for skill in kitchen.skills() if skill.kind == "mistake"}
    assert mistakes.isdisjoint(id_ for id_, _ in eligible(got))


@pytest.mark.parametrize("mode", ["template", *SEARCH_MODES])
def test_many_are_as_one_by_one(kitchen: SkillBank, mode: Mode) -> None:
    settings = RetrievalSettings(mode=mode, k_task=1)
    tasks = [(QUERY, "cool"), ("heat an apple", "heat"), ("anything", None), (QUERY, "cool")]
    many = kitchen.retrieve_many(tasks, settings=settings)
    assert many == [kitchen.retrieve(q, category=c, settings=settings) for q, c in tasks]
    assert kitchen.retrieve_many([], settings=settings) == []


@pytest.mark.parametrize("mode", ["template", *SEARCH_MODES])
def test_what_a_pinned_revision_answers_never_changes(kitchen: SkillBank, mode: Mode) -> None:
    settings = replace(EVERYTHING, mode=mode, any_category=True)

    def asked(revision: int) -> tuple[object, ...]:
        searched = [] if mode == "template" else kitchen.search(QUERY, mode=mode, revision=revision)
        return searched, kitchen.retrieve(
            QUERY, category=None, settings=settings, revision=revision
        )

    answers = {1: asked(1)}
    one, two, three, four = kitchen.skills()[:4]
    writes: list[Callable[[], object]] = [
        lambda: kitchen.revise(one.id, draft("Cool it, first"), reason="r"),
        lambda: kitchen.merge([one.id, two.id], draft("Cool it, both"), reason="r"),
        lambda: kitchen.split(three.id, [draft("tomato"), draft("fridge")], reason="r"),
        lambda: kitchen.quarantine(four.id, reason="r"),
        lambda: kitchen.add([draft("a tomato in the fridge")]),
        lambda: kitchen.rollback(3, reason="r"),
        lambda: kitchen.activate(four.id, 1, reason="r"),
    ]
    for write in writes:
        write()
        answers[kitchen.revision] = asked(kitchen.revision)
        assert {revision: asked(revision) for revision in answers} == answers
    assert len(answers) == len(writes) + 1


@pytest.mark.parametrize("mode", SEARCH_MODES)
@pytest.mark.parametrize("query", ["", " \n", "\x00", "\u200b"])
def test_a_search_for_nothing_is_refused(kitchen: SkillBank, mode: Mode, query: str) -> None:
    with pytest.raises(InvalidQuery, match="query must have a visible character"):
        kitchen.search(query, mode=mode)
