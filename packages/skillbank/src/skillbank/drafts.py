"""The rules a draft must keep, and when two drafts say the same thing.

Pure functions: nothing here knows of a store.
"""

import hashlib
import math
from typing import Protocol, get_args

from skillbank.characters import first_hidden
from skillbank.errors import InvalidSkill
from skillbank.skill import Citation, Kind, Origin, Provenance, SkillDraft

MAX_LENGTH = {
    "title": 200,
    "principle": 2000,
    "when_to_apply": 2000,
    "category": 100,
    "reason": 2000,
    "trajectory_id": 500,
    "teacher": 200,
    "prompt_hash": 200,
}
"""Most characters per field; a prompt has to hold many skills."""

_MAX_ORIGIN = 100_000
"""Characters of an origin's fields: every read of a skill has them."""

_SOURCES = ("distilled", "evolved", "imported", "manual")


class Worded(Protocol):
    """Anything with the words of a skill: a draft or a skill."""

    @property
    def title(self) -> str:
        """The skill's name."""
        ...

    @property
    def principle(self) -> str:
        """What to do."""
        ...

    @property
    def when_to_apply(self) -> str:
        """In which situation."""
        ...

    @property
    def kind(self) -> Kind:
        """How far it applies."""
        ...

    @property
    def category(self) -> str | None:
        """The kind of task."""
        ...


def check_draft(draft: SkillDraft) -> None:
    """Do nothing for a sound draft.

    Raises:
        InvalidSkill: naming the first field that breaks a rule, its value, and what
            would be right.
    """
    for field in ("title", "principle", "when_to_apply"):
        check_text(field, getattr(draft, field))
    _check_kind(draft)
    _check_provenance(draft.provenance)


def check_text(field: str, value: object) -> None:
    """Raise InvalidSkill unless `value` is visible text that fits in `field`."""
    if not isinstance(value, str):
        raise InvalidSkill(f"{field} must be text, got {type(value).__name__}")
    if not value.strip():
        raise InvalidSkill(f"{field} must not be empty, got {value!r:.40}")
    if len(value) > (limit := MAX_LENGTH[field]):
        raise InvalidSkill(
            f"{field} has {len(value)} characters, at most {limit} are allowed: {value!r:.60}..."
        )
    if (at := first_hidden(value)) is not None:
        raise InvalidSkill(
            f"{field} has the unprintable character U+{ord(value[at]):04X} at position {at}; "
            f"use visible characters and spaces: {value!r:.60}"
        )


def check_citation(citation: Citation) -> None:
    """Raise InvalidSkill unless the citation names a trajectory and 0-based steps."""
    check_text("trajectory_id", citation.trajectory_id)
    for step in citation.steps:
        if isinstance(step, bool) or not isinstance(step, int) or step < 0:
            raise InvalidSkill(f"steps must be 0-based step numbers, got {step!r}")


def content_digest(words: Worded) -> str:
    """Return a SHA-256 that is equal for texts differing only in case and white space."""
    fields = (words.title, words.principle, words.when_to_apply, words.kind, words.category or "")
    plain = "\x1f".join(" ".join(field.split()).casefold() for field in fields)
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).hexdigest()


def _check_kind(draft: SkillDraft) -> None:
    kind, category = draft.kind, draft.category
    if kind not in get_args(Kind):
        raise InvalidSkill(f"kind must be one of {', '.join(get_args(Kind))}, got {kind!r:.40}")
    if kind == "general" and category is not None:
        raise InvalidSkill(f"category must be None for kind 'general', got {category!r:.60}")
    if kind == "task" and category is None:
        raise InvalidSkill("category must name a kind of task for kind 'task', got None")
    if category is not None:
        check_text("category", category)


def _check_provenance(provenance: Provenance) -> None:
    if provenance.source not in _SOURCES:
        raise InvalidSkill(
            f"provenance.source must be one of {', '.join(_SOURCES)}, got {provenance.source!r:.40}"
        )
    for field in ("teacher", "prompt_hash"):
        if (value := getattr(provenance, field)) is not None:
            check_text(field, value)
    if (cost := provenance.cost) is not None and not (math.isfinite(cost) and cost >= 0):
        raise InvalidSkill(f"provenance.cost must be US dollars of at least 0, got {cost!r}")
    for citation in provenance.citations:
        check_citation(citation)
    if provenance.origin is not None:
        _check_origin(provenance.origin)


def _check_origin(origin: Origin) -> None:
    for field in ("format", "id"):
        if not 1 <= len(value := getattr(origin, field)) <= 200 or first_hidden(value) is not None:
            raise InvalidSkill(
                f"provenance.origin.{field} must be 1 to 200 visible characters, got {value!r:.60}"
            )
    texts = [text for pair in origin.fields for text in pair]
    if any(first_hidden(text) is not None for text in texts):
        raise InvalidSkill("provenance.origin.fields has an unprintable character")
    if (length := sum(map(len, texts))) > _MAX_ORIGIN:
        raise InvalidSkill(
            f"provenance.origin.fields has {length} characters, at most {_MAX_ORIGIN} are allowed"
        )
