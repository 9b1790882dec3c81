"""Which of the eligible skills enter a prompt, and in which order.

Pure functions over skills that a store found eligible: active at the revision, and
general, of the task's category, or a mistake without category. Prompt order is general
principles, then the category's skills, then mistakes; inside a kind, best score first
and, among equal scores, oldest skill first.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from skillbank.errors import InvalidQuery
from skillbank.render import render
from skillbank.skill import Hit, Kind, Skill

CountTokens = Callable[[str], int]
"""Gives the number of tokens of a text, for the model that will read it."""

_MAX_K = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalSettings:
    """How many skills of which kind enter a prompt. Defaults are the paper's."""

    mode: Literal["template", "text"] = "template"
    """template: every kind in the order its skills were added, as in the paper;
    text: by full-text match of any word of the query."""
    k_general: int = 6
    """Most general principles."""
    k_task: int | None = None
    """Most skills of the task's category; None for all of them, as in the paper."""
    k_mistakes: int = 5
    """Most mistakes to avoid."""
    max_tokens: int | None = None
    """Most tokens of the rendered block; None for no limit."""

    def __post_init__(self) -> None:
        """Raise InvalidQuery for a setting out of range."""
        if self.mode not in ("template", "text"):
            raise InvalidQuery(f"mode must be 'template' or 'text', got {self.mode!r}")
        for name in ("k_general", "k_task", "k_mistakes"):
            if (k := getattr(self, name)) is not None and not 0 <= k <= _MAX_K:
                raise InvalidQuery(f"{name} must be in [0, {_MAX_K}], got {k}")
        if self.max_tokens is not None and self.max_tokens < 0:
            raise InvalidQuery(f"max_tokens must be at least 0, got {self.max_tokens}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieved:
    """What a query found, and at which revision of the bank."""

    hits: tuple[Hit, ...]
    """In prompt order."""
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Eligible:
    """A skill that may answer a query."""

    skill: Skill
    score: float | None
    """Higher is nearer, 0 for no match; None where nothing was ranked."""


def select(eligible: Iterable[Eligible], settings: RetrievalSettings) -> list[Hit]:
    """Return the hits in prompt order, at most k of each kind.

    Args:
        eligible: In any order.
        settings: The caps; `max_tokens` is left to `within_budget`.
    """
    by_age = sorted(eligible, key=lambda found: found.skill.id)
    ranked = sorted(by_age, key=lambda found: -(found.score or 0.0))
    caps: tuple[tuple[Kind, int | None], ...] = (
        ("general", settings.k_general),
        ("task", settings.k_task),
        ("mistake", settings.k_mistakes),
    )
    chosen = [
        found
        for kind, k in caps
        for found in [found for found in ranked if found.skill.kind == kind][:k]
    ]
    return [Hit(skill=found.skill, rank=i, score=found.score) for i, found in enumerate(chosen)]


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
