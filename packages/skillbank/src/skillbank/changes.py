"""What a batch of proposals does to a bank.

A Plan works on a picture of the skills concerned and knows no store: the store shows it
the bank under its write lock and then saves the Changes, all or nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from skillbank.drafts import content_digest
from skillbank.identity import skill_id
from skillbank.skill import Citation, Proposal, Skill, SkillDraft, Status

Action = Literal["add", "revise", "merge", "retire"]
Entry = Literal["candidate", "active"]
"""The status in which new text enters a bank."""


class Rejection(Exception):
    """Why one proposal of a batch changes nothing: an answer, not an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillRef:
    """One version of one skill."""

    skill_id: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One accepted change, as the bank remembers it."""

    schema_version: ClassVar[int] = 1

    revision: int
    """The bank's revision after it."""
    action: Action
    skill_id: str
    version: int
    """The version it made, or retired."""
    parents: tuple[SkillRef, ...]
    """The versions the new text was made from: none for add and retire."""
    reason: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVersion:
    """A version to store, with the digest of its text."""

    skill: Skill
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Everything one write batch stores."""

    revision: int
    """The revision it makes."""
    skill_count: int
    """Skills in the bank afterwards, retired ones included."""
    versions: tuple[NewVersion, ...]
    statuses: tuple[Skill, ...]
    """Stored versions whose status changes, as they are afterwards."""
    log: tuple[Change, ...]


class Plan:
    """Decides proposals one after the other; each sees what the earlier ones did."""

    def __init__(
        self,
        *,
        bank_id: str,
        revision: int,
        skill_count: int,
        skills: Iterable[Skill],
        holders: Mapping[str, Skill],
        entry: Entry,
    ) -> None:
        """Start from the bank as it stands.

        Args:
            bank_id: The bank's id.
            revision: Its revision before the batch.
            skill_count: How many skills it has, retired ones included.
            skills: Every version of every skill that a proposal targets.
            holders: Digest of a text -> the version that has it, for the drafts' texts.
            entry: The status of new text. A candidate replaces nothing that is active.
        """
        self._bank_id = bank_id
        self._revision = revision + 1
        self._skill_count = skill_count
        self._entry = entry
        self._skills: dict[tuple[str, int], Skill] = {(s.id, s.version): s for s in skills}
        self._holders = {digest: (s.id, s.version) for digest, s in holders.items()}
        self._skills.update(((s.id, s.version), s) for s in holders.values())
        self._new: dict[tuple[str, int], str] = {}
        self._touched: dict[tuple[str, int], None] = {}
        self._log: list[Change] = []

    def decide(self, proposal: Proposal) -> SkillRef:
        """Work the proposal in and return the version it made or retired.

        Raises:
            Rejection: the proposal cannot be accepted; nothing has changed.
        """
        targets = [self._live(target) for target in proposal.targets]
        if proposal.draft is None:
            ref = self._retire(targets[0], proposal.reason)
        elif (twin := self.holder(proposal.draft)) is not None:
            held = self.skill(twin)
            raise Rejection(
                f"the bank already has this text: skill {held.id} version {held.version} "
                f"({held.status})"
            )
        else:
            ref = self._write(proposal, proposal.draft, targets)
        parents = tuple(SkillRef(skill_id=s.id, version=s.version) for s in targets)
        self._log.append(
            Change(
                revision=self._revision,
                action=proposal.action,
                skill_id=ref.skill_id,
                version=ref.version,
                parents=() if proposal.action == "retire" else parents,
                reason=proposal.reason,
                citations=proposal.citations,
            )
        )
        return ref

    def holder(self, draft: SkillDraft) -> SkillRef | None:
        """Return the version that already has the draft's text, if any."""
        key = self._holders.get(content_digest(draft))
        return None if key is None else SkillRef(skill_id=key[0], version=key[1])

    def skill(self, ref: SkillRef) -> Skill:
        """Return a version as it is at this point of the plan."""
        return self._skills[ref.skill_id, ref.version]

    def changes(self) -> Changes | None:
        """Return what to store, or None when nothing was accepted."""
        if not self._log:
            return None
        return Changes(
            revision=self._revision,
            skill_count=self._skill_count,
            versions=tuple(
                NewVersion(skill=self._skills[key], digest=digest)
                for key, digest in self._new.items()
            ),
            statuses=tuple(self._skills[key] for key in self._touched),
            log=tuple(self._log),
        )

    def _live(self, target: str) -> Skill:
        versions = self._versions(target)
        if not versions:
            raise Rejection(f"no skill {target!r:.60} in this bank")
        usable = [s for s in versions if s.status in ("active", "candidate", "draft")]
        if not usable:
            raise Rejection(f"skill {target} is {versions[-1].status}")
        return next((s for s in usable if s.status == "active"), usable[-1])

    def _versions(self, target: str) -> list[Skill]:
        found = [s for (id_, _), s in self._skills.items() if id_ == target]
        return sorted(found, key=lambda skill: skill.version)

    def _retire(self, target: Skill, reason: str) -> SkillRef:
        for version in self._versions(target.id):
            if version.status != "retired":
                self._set_status(version, "retired", reason)
        return SkillRef(skill_id=target.id, version=target.version)

    def _write(self, proposal: Proposal, draft: SkillDraft, targets: Sequence[Skill]) -> SkillRef:
        if proposal.action == "revise":
            old = self._versions(targets[0].id)
            new = self._store(targets[0].id, old[-1].version + 1, draft)
            replaced = ("active", "candidate", "draft") if self._entry == "active" else "candidate"
            for version in old:
                if version.status in replaced:
                    self._set_status(version, "retired", f"superseded by version {new.version}")
        else:
            new = self._store(skill_id(self._bank_id, self._skill_count), 1, draft)
            self._skill_count += 1
            if self._entry == "active":
                for target in targets:
                    self._retire(target, f"merged into {new.id}: {proposal.reason}")
        return SkillRef(skill_id=new.id, version=new.version)

    def _store(self, id_: str, version: int, draft: SkillDraft) -> Skill:
        skill = Skill(
            id=id_,
            version=version,
            title=draft.title,
            principle=draft.principle,
            when_to_apply=draft.when_to_apply,
            kind=draft.kind,
            category=draft.category,
            status=self._entry,
            status_reason=None,
            provenance=draft.provenance,
            created_revision=self._revision,
        )
        digest = content_digest(draft)
        self._skills[id_, version] = skill
        self._new[id_, version] = digest
        self._holders[digest] = (id_, version)
        return skill

    def _set_status(self, skill: Skill, status: Status, reason: str) -> None:
        key = (skill.id, skill.version)
        self._skills[key] = replace(skill, status=status, status_reason=reason)
        if key not in self._new:
            self._touched[key] = None
