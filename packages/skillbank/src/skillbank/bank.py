"""SkillBank, the one class most users need."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from skillbank.changes import Change, Entry, SkillRef
from skillbank.characters import on_one_line
from skillbank.errors import InvalidEvidence, InvalidQuery, UnknownSkill
from skillbank.evidence import Evidence, ExposureLike, episode_of
from skillbank.identity import is_id
from skillbank.memory import InMemoryStore
from skillbank.proposals import ApplyReport
from skillbank.retrieval import (
    CountTokens,
    RetrievalSettings,
    Retrieved,
    estimate_tokens,
    select,
    within_budget,
)
from skillbank.skill import Proposal, Skill, SkillDraft, Status
from skillbank.store import SkillStore
from skillbank.writing import add_drafts, apply_proposals, check_label

_MAX_QUERY = 20_000
_TEMPLATE = RetrievalSettings()


class SkillBank:
    """A named, versioned collection of skills.

    Every successful write makes one new revision, and any earlier revision can still be
    read. Use it as a context manager, or call `close`. Threads may share it; a forked
    process may not and has to open its own.
    """

    def __init__(self, store: SkillStore) -> None:
        """Wrap a store; `open` and `in_memory` are the usual ways."""
        self._store = store

    @classmethod
    def open(cls, target: str | Path, *, name: str = "default") -> "SkillBank":
        """Open the bank `name`, creating it (and a new directory's database) if missing.

        Args:
            target: A directory, for a database of its own that ends with its last
                user; or a "postgresql://" URL of a server that has pgvector.
            name: The bank within that database.

        Raises:
            ServerError: the database cannot be started or reached, or lacks something.
            BankInUse: the directory belongs to another user or is held too long.
        """
        # psycopg costs as much import time as the rest of the package together.
        from skillbank.postgres import open_directory, open_url

        check_label("name", name)
        if isinstance(target, str) and target.startswith(("postgresql://", "postgres://")):
            return cls(open_url(target, name))
        if isinstance(target, str) and "://" in target:
            raise InvalidQuery(
                f"target must be a directory or a postgresql:// URL, got {target.split('://')[0]}://"
            )
        return cls(open_directory(Path(target), name))

    @classmethod
    def in_memory(cls, name: str = "default") -> "SkillBank":
        """Return a bank that lives as long as this object: for tests and trials."""
        check_label("name", name)
        return cls(InMemoryStore(name))

    def __enter__(self) -> "SkillBank":
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

    def add(
        self, drafts: Sequence[SkillDraft], *, status: Entry = "active", key: str | None = None
    ) -> list[Skill]:
        """Store drafts and return one skill per draft, in order.

        A draft whose text the bank already has (in any version and status, case and
        white space aside) gives that version instead of a second one.

        Args:
            drafts: The new texts.
            status: What they enter as.
            key: Makes the call repeatable: the same key again returns what the first
                call returned and changes nothing, whatever the drafts are.

        Raises:
            InvalidSkill: a draft breaks a rule; nothing was written.
            Conflict: `key` was used for `apply`.
        """
        outcome = add_drafts(self._store, drafts, status, key)
        return self._at([ref for _, ref in outcome.accepted], outcome.revision)

    def apply(
        self, proposals: Sequence[Proposal], *, key: str | None = None, status: Entry = "active"
    ) -> ApplyReport:
        """Carry out proposals in order, each on top of the ones before it, as one write.

        A rejected proposal never blocks another. Text that enters as a candidate leaves
        the active versions it would replace in place.

        Args:
            proposals: Changes with the evidence for them.
            key: Makes the call repeatable, as for `add`.
            status: What new text enters as.

        Raises:
            Conflict: `key` was used for `add`.
        """
        outcome = apply_proposals(self._store, proposals, status, key)
        skills = self._at([ref for _, ref in outcome.accepted], outcome.revision)
        return ApplyReport(
            revision=outcome.revision,
            accepted=tuple(zip((i for i, _ in outcome.accepted), skills, strict=True)),
            rejected=outcome.rejected,
        )

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
        kind in "template" mode oldest first, in "text" mode best match first and equal
        matches oldest first, so that skills without any match come last. `max_tokens`
        drops whole skills from the end of that order.

        Args:
            query: What the agent has to do; unused in "template" mode.
            category: The task's category; None when it has none.
            settings: Mode and caps.
            revision: Read the bank as of this revision; None for the present one.
            count_tokens: Counts for `max_tokens`; the default guesses from the length.

        Raises:
            InvalidQuery: the query or category is too long or not text.
            UnknownSkill: no such revision.
        """
        if len(query) > _MAX_QUERY:
            raise InvalidQuery(f"query has {len(query)} characters, at most {_MAX_QUERY} can be")
        if category is not None:
            check_label("category", category)
        pinned = self._pinned(revision)
        words = on_one_line(query) if settings.mode == "text" else None
        hits = select(self._store.eligible(category, pinned, words), settings)
        if settings.max_tokens is not None:
            hits = within_budget(hits, settings.max_tokens, count_tokens)
        return Retrieved(hits=tuple(hits), revision=pinned)

    def record(
        self,
        exposure: ExposureLike,
        *,
        success: bool,
        reward: float,
        episode_id: str,
        group_id: str,
    ) -> None:
        """Append one finished episode to the evidence log.

        The first record of an episode stands: the same `episode_id` again changes
        nothing.

        Raises:
            InvalidEvidence: the exposure is of another bank, or a value is impossible.
            UnknownSkill: a skill, version or revision this bank does not have.
        """
        if exposure.bank_id != self.id:
            raise InvalidEvidence(
                f"bank_id must be this bank's {self.id}, got {exposure.bank_id!r:.60}"
            )
        self._pinned(exposure.bank_revision)
        self._store.record(
            episode_of(
                exposure,
                success=success,
                reward=reward,
                episode_id=episode_id,
                group_id=group_id,
            )
        )

    def evidence(self, skill_id: str) -> list[Evidence]:
        """Return a skill's part in every recorded episode, in the order of recording.

        Raises:
            UnknownSkill: no such skill.
        """
        self.history(skill_id)
        return self._store.evidence(skill_id)

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
