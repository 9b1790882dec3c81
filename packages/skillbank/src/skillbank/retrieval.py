"""Which of the eligible skills enter a prompt, and in which order.

A store finds what is eligible: active at the revision, and general, of the task's
category, or a mistake without category. Prompt order is general principles, then task
skills, then mistakes; inside a kind, best score first and, among equal scores, oldest
skill first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from skillbank.changes import SkillRef
from skillbank.errors import InvalidQuery
from skillbank.ranking import maximal_marginal_relevance, reciprocal_rank_fusion
from skillbank.render import render
from skillbank.skill import Hit, Kind
from skillbank.store import Found, Search, Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CountTokens = Callable[[str], int]
"""Gives the number of tokens of a text, for the model that will read it."""

Mode = Literal["template", "text", "embedding", "hybrid"]
MODES: tuple[Mode, ...] = ("template", "text", "embedding", "hybrid")
KINDS: tuple[Kind, ...] = ("general", "task", "mistake")
MAX_K = 1000
_ALL = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    """How many skills of which kind enter a prompt. Defaults are the paper's."""

    mode: Mode = "template"
    """template: every kind in the order its skills were added, as in the paper;
    text: by full-text match of any word of the query; embedding: by cosine similarity to
    the query; hybrid: by reciprocal rank fusion of the two."""
    k_general: int = 6
    """Most general principles."""
    k_task: int | None = None
    """Most task skills; None for all in mode "template", as in the paper, and for all of
    the `pool` in the other modes."""
    k_mistakes: int = 5
    """Most mistakes to avoid."""
    max_tokens: int | None = None
    """Most tokens of the rendered block; None for no limit."""
    min_score: float | None = None
    """Least score of a ranked skill in modes "text" and "embedding": the paper's
    similarity threshold; None for no threshold."""
    diversity: float = 0.0
    """From 0, by nearness alone, to 1, by difference from what was chosen before alone
    (maximal marginal relevance); for modes "embedding" and "hybrid"."""
    any_category: bool = False
    """Let task skills and mistakes of every category compete."""
    rank_mistakes: bool = True
    """False takes the oldest mistakes in every mode, as the paper's code does."""
    pool: int = 200
    """Most skills of each kind that are ranked before caps, diversity and budget."""

    def __post_init__(self) -> None:
        """Raise InvalidQuery for a setting out of range."""
        if self.mode not in MODES:
            raise InvalidQuery(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        for name in ("k_general", "k_task", "k_mistakes"):
            if (k := getattr(self, name)) is not None and not 0 <= k <= MAX_K:
                raise InvalidQuery(f"{name} must be in [0, {MAX_K}], got {k}")
        if self.max_tokens is not None and self.max_tokens < 0:
            raise InvalidQuery(f"max_tokens must be at least 0, got {self.max_tokens}")
        if not 1 <= self.pool <= 10_000:
            raise InvalidQuery(f"pool must be in [1, 10000], got {self.pool}")
        if not 0.0 <= self.diversity <= 1.0:
            raise InvalidQuery(f"diversity must be in [0, 1], got {self.diversity}")
        if self.diversity and self.mode not in ("embedding", "hybrid"):
            raise InvalidQuery(
                f"diversity compares vectors: use it with mode 'embedding' or 'hybrid', not "
                f"{self.mode!r}"
            )
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise InvalidQuery(f"min_score must be a finite number, got {self.min_score}")
        if self.min_score is not None and self.mode not in ("text", "embedding"):
            raise InvalidQuery(
                f"min_score is for modes 'text' and 'embedding'; mode {self.mode!r} has no "
                "scores that compare between queries"
            )

    @classmethod
    def paper(cls, mode: Literal["template", "embedding"] = "template") -> "RetrievalSettings":
        """Return the settings of SkillRL's published code, in either of its modes.

        Its embedding mode ranks the task skills of all categories against each other, and
        has no threshold, though the paper (section 3.2) describes both otherwise.
        """
        if mode == "template":
            return cls()
        return cls(mode="embedding", k_task=6, any_category=True, rank_mistakes=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """What a query found, and at which revision of the bank."""

    hits: tuple[Hit, ...]
    """In prompt order."""
    revision: int
    eligible: tuple[SkillRef, ...]
    """What could have been shown, in prompt order: in a ranked mode up to `pool` skills of
    each kind above the threshold, before caps, diversity and budget; in mode "template"
    what the caps let through, before the budget."""


def searches(
    settings: RetrievalSettings,
    category: str | None,
    revision: int | None,
    text: str,
    vector: "NDArray[np.float32] | None",
    space: Space | None,
) -> list[Search]:
    """Return what has to be asked of a store, which answers for `select`."""

    def search(
        kinds: tuple[Kind, ...],
        limit: int = settings.pool,
        text: str | None = None,
        vector: "NDArray[np.float32] | None" = None,
    ) -> Search:
        return Search(
            kinds=kinds,
            categories=None if settings.any_category else (category, None),
            limit=limit,
            per_kind=True,
            revision=revision,
            text=text,
            vector=vector,
            space=None if vector is None else space,
            with_vectors=settings.diversity > 0 and (text is not None or vector is not None),
        )

    def oldest(kind: Kind, k: int | None) -> Search:
        # At least one is asked for, so that the answer says which revision it is of.
        return search((kind,), _ALL if k is None else max(k, 1))

    if settings.mode == "template":
        return [oldest(kind, k) for kind, k in _caps(settings).items()]
    ranked = KINDS if settings.rank_mistakes else KINDS[:2]
    asked = []
    if settings.mode in ("text", "hybrid"):
        asked.append(search(ranked, text=text))
    if settings.mode in ("embedding", "hybrid"):
        asked.append(search(ranked, vector=vector))
    if not settings.rank_mistakes:
        asked.append(oldest("mistake", settings.k_mistakes))
    return asked


def select(
    answers: Sequence[Sequence[Found]], settings: RetrievalSettings
) -> tuple[list[Hit], list[SkillRef]]:
    """Return the hits in prompt order, at most k of each kind, and what was eligible.

    Args:
        answers: What each of the `searches` found, best first within each kind.
        settings: The caps; `max_tokens` is left to `within_budget`.
    """
    chosen: list[Found] = []
    eligible: list[Found] = []
    for kind, k in _caps(settings).items():
        found = _of_kind(answers, kind, settings)
        eligible += found
        chosen += _diverse(found, k, settings)
    hits = [Hit(skill=item.skill, rank=i, score=item.score) for i, item in enumerate(chosen)]
    return hits, [ref_of(item) for item in eligible]


def within_budget(hits: list[Hit], max_tokens: int, count_tokens: CountTokens) -> list[Hit]:
    """Return the longest start of `hits` whose markdown block fits into `max_tokens`.

    Whole skills are dropped from the end of the prompt order: the last mistake first,
    then the category's skills, general principles at the very end.
    """
    fits, too_long = 0, len(hits) + 1
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if count_tokens(render(hits[:middle])) <= max_tokens:
            fits = middle
        else:
            too_long = middle
    return hits[:fits]


def estimate_tokens(text: str) -> int:
    """Return a token count that is rarely too low: one per three characters, rounded up."""
    return -(-len(text) // 3)


def fuse(by_text: Sequence[Found], by_vector: Sequence[Found]) -> list[Found]:
    """Return what either answer holds, by reciprocal rank fusion; unmatched text counts not."""
    # A cosine of 0, though, is a place in the ranking like any other.
    answers = [[item for item in by_text if item.score], by_vector]
    by_ref = {ref_of(item): item for answer in answers for item in answer}
    return [
        Found(skill=by_ref[ref].skill, score=score, vector=by_ref[ref].vector)
        for ref, score in reciprocal_rank_fusion([[ref_of(i) for i in a] for a in answers])
    ]


def ref_of(item: Found) -> SkillRef:
    """Return the version that was found."""
    return SkillRef(skill_id=item.skill.id, version=item.skill.version)


def _caps(settings: RetrievalSettings) -> dict[Kind, int | None]:
    return {
        "general": settings.k_general,
        "task": settings.k_task,
        "mistake": settings.k_mistakes,
    }


def _of_kind(
    answers: Sequence[Sequence[Found]], kind: Kind, settings: RetrievalSettings
) -> list[Found]:
    lists = [[item for item in answer if item.skill.kind == kind] for answer in answers]
    ranked = settings.mode != "template" and (kind != "mistake" or settings.rank_mistakes)
    if ranked and settings.mode == "hybrid":
        return fuse(lists[0], lists[1])
    found = [item for answer in lists for item in answer]
    if not ranked:
        return found[: _caps(settings)[kind]]
    least = settings.min_score
    return [item for item in found if least is None or item.score is None or item.score >= least]


def _diverse(found: Sequence[Found], k: int | None, settings: RetrievalSettings) -> list[Found]:
    count = len(found) if k is None else min(k, len(found))
    vectors = [item.vector for item in found if item.vector is not None]
    if not settings.diversity or not vectors:  # mistakes by age are not ranked
        return list(found[:count])
    import numpy as np

    # Fused scores are far smaller than similarities; as shares of the best they weigh alike.
    scores = np.array([item.score for item in found], dtype=np.float32)
    if settings.mode == "hybrid":
        scores /= scores.max()
    picked = maximal_marginal_relevance(
        scores, np.stack(vectors), count=count, trade_off=1 - settings.diversity
    )
    return [found[i] for i in picked]
