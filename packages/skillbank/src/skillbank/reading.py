"""BankReader: everything a bank can be asked, and nothing that changes it."""

import math
from collections.abc import Collection, Sequence
from types import TracebackType
from typing import TypeVar

from skillbank.changes import Change, SkillRef
from skillbank.characters import on_one_line
from skillbank.duplicates import NearDuplicate, near_duplicate_texts, near_duplicates
from skillbank.embedding import document_text
from skillbank.errors import InvalidQuery, UnknownSkill
from skillbank.estimators import Estimates, summarise, uses
from skillbank.evidence import Evidence
from skillbank.gate import Gate
from skillbank.identity import is_id
from skillbank.retrieval import (
    KINDS,
    MAX_K,
    CountTokens,
    Mode,
    RetrievalSettings,
    Retrieved,
    estimate_tokens,
    fuse,
    searches,
    select,
    within_budget,
)
from skillbank.skill import Hit, Kind, Skill, Status
from skillbank.snapshots import Diff, Snapshot, difference
from skillbank.store import Search, SkillStore
from skillbank.writing import check_label

_MAX_QUERY = 20_000
_TEMPLATE = RetrievalSettings()
Self = TypeVar("Self", bound="BankReader")


class BankReader:
    """A named, versioned collection of skills, for reading.

    Use it as a context manager, or call `close`. Threads may share it; a forked process
    may not and has to open its own.
    """

    def __init__(self, store: SkillStore, gate: Gate) -> None:
        """Wrap a store; `SkillBank.open` and `SkillBank.in_memory` are the usual ways."""
        self._store = store
        self._gate = gate

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; the last one to do so lets an embedded server end."""
        self._store.close()

    @property
    def id(self) -> str:
        """A UUID, fixed when the bank was created."""
        return self._store.bank_id

    @property
    def name(self) -> str:
        """The name it was opened by."""
        return self._store.name

    @property
    def revision(self) -> int:
        """0 for a new bank, one more for every write that changed something."""
        return self._store.revision()

    def get(self, skill_id: str, version: int | None = None) -> Skill:
        """Return a version; without `version` the active one, else the latest.

        Raises:
            UnknownSkill: no such skill or version.
        """
        versions = self.history(skill_id)
        if version is None:
            return next((s for s in reversed(versions) if s.status == "active"), versions[-1])
        for skill in versions:
            if skill.version == version:
                return skill
        raise UnknownSkill(
            f"skill {skill_id} has versions 1 to {versions[-1].version}, got {version}"
        )

    def history(self, skill_id: str) -> list[Skill]:
        """Return every version of a skill with its present status, oldest first.

        Raises:
            UnknownSkill: no such skill.
        """
        versions = self._store.versions([skill_id], self.revision) if is_id(skill_id) else []
        if not versions:
            raise UnknownSkill(f"bank {self.name!r} has no skill {skill_id!r:.60}")
        return versions

    def changes(self, skill_id: str) -> list[Change]:
        """Return what made, replaced or retired a skill, oldest first, with the reasons.

        Raises:
            UnknownSkill: no such skill.
        """
        self.history(skill_id)
        return self._store.changes(skill_id)

    def skills(
        self, *, revision: int | None = None, status: Status | None = "active"
    ) -> list[Skill]:
        """Return one version per skill, as of a revision, oldest skill first.

        Args:
            revision: None for the present one.
            status: Only versions that had this status then; None for any. A version
                that an active one has superseded is never listed.

        Raises:
            UnknownSkill: no such revision.
        """
        return self._store.skills(self._pinned(revision), status)

    def versions(self, *, revision: int | None = None) -> list[Skill]:
        """Return every version of every skill with its status as of a revision.

        Sorted by age of the skill, then version.

        Args:
            revision: None for the present one.

        Raises:
            UnknownSkill: no such revision.
        """
        at = self._pinned(revision)
        return self._store.versions({skill.id for skill in self._store.skills(at, None)}, at)

    def document(self, name: str) -> str | None:
        """Return the JSON text that is kept beside the skills under a name, if any."""
        return self._store.document(name)

    def snapshots(self) -> list[Snapshot]:
        """Return the revisions that have a name, in the order of naming."""
        return self._store.snapshots()

    def diff(self, before: int, after: int | None = None) -> Diff:
        """Return what became of the active skills between two revisions.

        Raises:
            UnknownSkill: no such revision.
        """
        first, last = self._pinned(before), self._pinned(after)
        old, new = (self._store.skills(revision, "active") for revision in (first, last))
        return difference(first, old, last, new)

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        category: str | None = None,
        kinds: Collection[Kind] = KINDS,
        mode: Mode | None = None,
        min_score: float | None = None,
        revision: int | None = None,
    ) -> list[Hit]:
        """Return the `k` active skills nearest to a query, best first.

        Args:
            query: Any text but an empty one.
            k: Most hits, 1 to 1000.
            category: Only skills of this category; None for all.
            kinds: Only skills of these kinds.
            mode: "text", "embedding" or "hybrid"; None for "embedding" where the bank was
                opened with an embedder, else "text".
            min_score: Drop hits below this score; not in mode "hybrid".
            revision: As of this revision; None for the present one.

        Raises:
            InvalidQuery: an argument is out of range.
            EmbeddingError: the bank's vectors are not of the bank's embedder.
            UnknownSkill: no such revision.
        """
        mode = mode or ("text" if self._gate.embedder is None else "embedding")
        _check_search(query, k, category, kinds, mode, min_score)
        words = on_one_line(query)
        vector = None if mode == "text" else self._gate.query_vectors([words])[0]
        space = None if vector is None else self._gate.space

        def asked(text: str | None, limit: int) -> Search:
            return Search(
                kinds=tuple(kind for kind in KINDS if kind in kinds),
                categories=None if category is None else (category,),
                limit=limit,
                per_kind=False,
                revision=revision,
                text=text,
                vector=None if text is not None else vector,
                space=None if text is not None else space,
                matches_only=True,
            )

        if mode == "hybrid":
            both = [asked(words, max(k, 40)), asked(None, max(k, 40))]
            found = fuse(*(answer.found for answer in self._store.search(both)))[:k]
        else:
            (answer,) = self._store.search([asked(words if mode == "text" else None, k)])
            found = list(answer.found)
        kept = [f for f in found if min_score is None or (f.score or 0.0) >= min_score]
        return [Hit(skill=item.skill, rank=i, score=item.score) for i, item in enumerate(kept)]

    def retrieve(
        self,
        query: str,
        *,
        category: str | None,
        settings: RetrievalSettings = _TEMPLATE,
        revision: int | None = None,
        count_tokens: CountTokens = estimate_tokens,
    ) -> Retrieved:
        """Return the skills for a task, in prompt order.

        Eligible are the active general skills, the task skills of `category`, and the
        mistakes of `category` or of none. The order is general, task, mistake; within a
        kind in "template" mode oldest first, else best match first and equal matches
        oldest first, so that in "text" mode skills without any match come last.
        `max_tokens` drops whole skills from the end of that order.

        Args:
            query: What the agent has to do; unused in "template" mode.
            category: The task's category; None when it has none.
            settings: Mode, caps and thresholds.
            revision: Read the bank as of this revision; None for the present one.
            count_tokens: Counts for `max_tokens`; the default guesses from the length.

        Raises:
            InvalidQuery: the query or category is too long, empty or not text.
            EmbeddingError: the bank's vectors are not of the bank's embedder.
            UnknownSkill: no such revision.
        """
        (found,) = self.retrieve_many(
            [(query, category)], settings=settings, revision=revision, count_tokens=count_tokens
        )
        return found

    def retrieve_many(
        self,
        tasks: Sequence[tuple[str, str | None]],
        *,
        settings: RetrievalSettings = _TEMPLATE,
        revision: int | None = None,
        count_tokens: CountTokens = estimate_tokens,
    ) -> list[Retrieved]:
        """Return the skills for several tasks, all from one state of the bank.

        Queries are embedded in one call. Everything else is as for `retrieve`.

        Args:
            tasks: (query, category) of each.
            settings: Mode, caps and thresholds.
            revision: Read the bank as of this revision; None for the present one.
            count_tokens: Counts for `max_tokens`.
        """
        for query, category in tasks:
            _check_task(query, category, settings.mode)
        texts = [on_one_line(query) for query, _ in tasks]
        with_vectors = settings.mode in ("embedding", "hybrid")
        vectors = self._gate.query_vectors(texts) if with_vectors and tasks else [None] * len(tasks)
        space = self._gate.space if with_vectors else None
        asked = [
            searches(settings, category, revision, text, vector, space)
            for (_, category), text, vector in zip(tasks, texts, vectors, strict=True)
        ]
        answers = iter(self._store.search([search for part in asked for search in part]))
        retrieved = []
        for part in asked:
            results = [next(answers) for _ in part]
            hits, eligible = select([result.found for result in results], settings)
            if settings.max_tokens is not None:
                hits = within_budget(hits, settings.max_tokens, count_tokens)
            retrieved.append(
                Retrieved(hits=tuple(hits), revision=results[0].revision, eligible=tuple(eligible))
            )
        return retrieved

    def near_duplicates(self, threshold: float | None = None) -> list[NearDuplicate[SkillRef]]:
        """Return pairs of active skills that say nearly the same, most alike first.

        Alike by the cosine of their vectors, or, in a bank without vectors, by the share
        of common word sequences. Nothing is merged; `merge` does that once somebody has
        read both.

        Args:
            threshold: Least likeness, in (0, 1]; None for 0.92 of vectors, 0.5 of texts.
        """
        skills = self.skills()
        refs = [SkillRef(skill_id=skill.id, version=skill.version) for skill in skills]
        vectors = self._store.vectors(refs)
        if len(vectors) < len(refs):
            texts = [document_text(skill) for skill in skills]
            return near_duplicate_texts(
                refs, texts, threshold=0.5 if threshold is None else threshold
            )
        if not refs:
            return []
        import numpy as np

        rows = np.stack([vectors[ref] for ref in refs])
        return near_duplicates(refs, rows, threshold=0.92 if threshold is None else threshold)

    def evidence(self, skill_id: str) -> list[Evidence]:
        """Return a skill's part in every recorded episode, in the order of recording.

        Raises:
            UnknownSkill: no such skill.
        """
        self.history(skill_id)
        return self._store.evidence(skill_id)

    def estimates(self) -> dict[str, Estimates]:
        """Return skill id -> what the recorded episodes say of it, all versions together."""
        by_skill: dict[str, list[Evidence]] = {}
        for entry in self._store.all_evidence():
            by_skill.setdefault(entry.skill_id, []).append(entry)
        total = sum(uses(entries) for entries in by_skill.values())
        return {
            skill_id: summarise(entries, total_uses=total) for skill_id, entries in by_skill.items()
        }

    def _pinned(self, revision: int | None) -> int:
        newest = self.revision
        if revision is None:
            return newest
        if not 0 <= revision <= newest:
            raise UnknownSkill(f"bank {self.name!r} has revisions 0 to {newest}, got {revision}")
        return revision

    def _at(self, refs: Sequence[SkillRef], revision: int) -> list[Skill]:
        found = self._store.versions({ref.skill_id for ref in refs}, revision)
        by_ref = {(skill.id, skill.version): skill for skill in found}
        return [by_ref[ref.skill_id, ref.version] for ref in refs]


def _check_search(
    query: str,
    k: int,
    category: str | None,
    kinds: Collection[Kind],
    mode: Mode,
    min_score: float | None,
) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or not 1 <= k <= MAX_K:
        raise InvalidQuery(f"k must be in [1, {MAX_K}], got {k!r}")
    if mode not in ("text", "embedding", "hybrid"):
        raise InvalidQuery(f"mode must be text, embedding or hybrid to search, got {mode!r}")
    if not kinds or not set(kinds) <= set(KINDS):
        raise InvalidQuery(f"kinds must be some of {', '.join(KINDS)}, got {list(kinds)!r:.60}")
    if min_score is not None and not math.isfinite(min_score):
        raise InvalidQuery(f"min_score must be a finite number, got {min_score}")
    if min_score is not None and mode == "hybrid":
        raise InvalidQuery("min_score is for modes 'text' and 'embedding', got mode 'hybrid'")
    if not on_one_line(query):
        raise InvalidQuery(f"query must have a visible character, got {query!r:.60}")
    _check_task(query, category, mode)


def _check_task(query: str, category: str | None, mode: Mode) -> None:
    if len(query) > _MAX_QUERY:
        raise InvalidQuery(f"query has {len(query)} characters, at most {_MAX_QUERY} can be")
    if mode in ("embedding", "hybrid") and not on_one_line(query):
        raise InvalidQuery(f"query must have a visible character, got {query!r:.60}")
    if category is not None:
        check_label("category", category)
