"""skillbank's side of the comparison: through the public API, and below it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from measure import Answer, Cell, timed
from workload import K, Vectors, Workload

from skillbank import (
    EmbeddingModel,
    Kind,
    Provenance,
    RetrievalSettings,
    Skill,
    SkillBank,
    SkillDraft,
)
from skillbank.store import Search

_SOURCE = Provenance(source="distilled", teacher="none", prompt_hash="0" * 64)
_KINDS: tuple[Kind, ...] = ("general", "task", "mistake")
_CHUNK = 10_000


class Precomputed:
    """An embedder whose vectors are known: a text starts with its row's number."""

    def __init__(self, workload: Workload) -> None:
        self._workload = workload
        self.model = EmbeddingModel(name="precomputed", dimensions=workload.vectors.shape[1])

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        if len(texts) == 1 and not texts[0][0].isdigit():  # the sentence that identifies a model
            return self._workload.queries[:1]
        return self._workload.vectors[[int(text.split(None, 1)[0]) for text in texts]]

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._workload.queries[[int(text) for text in texts]]


def row_of(skill: Skill) -> int:
    """Return the row that a skill was made from: titles start with it."""
    return int(skill.title.split(None, 1)[0])


def drafts_of(workload: Workload) -> list[SkillDraft]:
    """One draft per row; kinds are mixed, and all but the general ones have a category."""
    drafts = []
    for row, category in enumerate(workload.categories):
        title, principle, when = workload.texts(row)
        kind: Kind = "mistake" if row % 10 == 0 else "task"
        drafts.append(
            SkillDraft(
                title=title,
                principle=principle,
                when_to_apply=when,
                kind=kind,
                category=category,
                provenance=_SOURCE,
            )
        )
    return drafts


def fill(bank: SkillBank, workload: Workload, server: Callable[[], float]) -> dict[str, float]:
    """Add every row, 10,000 a call, and return what it cost in seconds."""
    drafts = drafts_of(workload)
    wall, client, of_server = time.perf_counter(), time.process_time(), server()
    for first in range(0, len(drafts), _CHUNK):
        bank.add(drafts[first : first + _CHUNK])
    return {
        "wall": time.perf_counter() - wall,
        "client": time.process_time() - client,
        "server": server() - of_server,
    }


def by_api(
    bank: SkillBank,
    category: str | None,
    count: int,
    server: Callable[[], float],
    *,
    warm: bool = True,
) -> tuple[Cell, list[Answer]]:
    """Measure `bank.search` with an embedder."""

    def ask(number: int) -> Answer:
        hits = bank.search(str(number), K, category=category)
        return [row_of(hit.skill) for hit in hits]

    return timed(ask, count, server, warm=warm)


def by_store(
    bank: SkillBank,
    workload: Workload,
    category: str | None,
    count: int,
    server: Callable[[], float],
) -> tuple[Cell, list[Answer]]:
    """Measure what is below the checks and the embedder."""
    store = bank._store
    search = Search(
        kinds=_KINDS,
        categories=None if category is None else (category,),
        limit=K,
        per_kind=False,
        revision=None,
    )

    def ask(number: int) -> Answer:
        (answer,) = store.search([replace(search, vector=workload.queries[number])])
        return [row_of(found.skill) for found in answer.found]

    return timed(ask, count, server)


def other_reads(bank: SkillBank, server: Callable[[], float]) -> Iterator[tuple[str, Cell]]:
    """Measure what an agent's prompt is made from, and search by words."""
    ranked = RetrievalSettings(mode="embedding", k_task=6)
    words = ("clean the mug", "find a lamp in the drawer", "compare the price of each option")

    def prompt(settings: RetrievalSettings) -> Callable[[int], Answer]:
        def ask(number: int) -> Answer:
            found = bank.retrieve(str(number), category="s4", settings=settings)
            return [row_of(hit.skill) for hit in found.hits]

        return ask

    def by_words(category: str | None) -> Callable[[int], Answer]:
        def ask(number: int) -> Answer:
            query = words[number % len(words)]
            hits = bank.search(query, K, category=category, mode="text")
            return [row_of(hit.skill) for hit in hits]

        return ask

    yield "prompt", timed(prompt(ranked), 100, server)[0]
    yield "template", timed(prompt(RetrievalSettings()), 100, server)[0]
    yield "text", timed(by_words(None), 30, server)[0]
    yield "text, s4", timed(by_words("s4"), 100, server)[0]
