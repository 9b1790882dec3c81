"""What a batch of decisions does to a bank.

A Plan works on a picture of the skills concerned and knows no store: the store shows it
the bank under its write lock and then saves the Changes, all or nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from skillbank.changes import Action, Change, Changes, Entry, NewVersion, SkillRef
from skillbank.drafts import content_digest
from skillbank.errors import Conflict, SkillbankError, UnknownSkill
from skillbank.identity import skill_id
from skillbank.skill import Citation, Proposal, Skill, SkillDraft, Status

_LIVE = ("active", "candidate", "draft")


class Rejection(Exception):
    """Why one decision changes nothing: an answer to a proposal, an error elsewhere."""

    def __init__(self, why: str, error: type[SkillbankError] = Conflict) -> None:
        """Say why, and which error it is where it is one."""
        super().__init__(why)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The part of a bank that a batch is about, under the write lock."""

    bank_id: str
    revision: int
    """The bank's revision before the batch."""
    skill_count: int
    """Skills in the bank, retired ones included."""
    skills: Iterable[Skill]
    """Every version of every skill that the batch targets."""
    holders: Mapping[str, Skill]
    """Digest of a text -> the version that has it, for the drafts' texts."""
    moved: Mapping[str, int] = field(default_factory=dict)
    """Skill -> the revision that changed it since the batch's base revision."""
    suspect: Mapping[str, str] = field(default_factory=dict)
    """Digest of a text -> why the screen stops it."""


class Plan:
    """Decides one thing after the other; each sees what the earlier ones did."""

    def __init__(self, picture: Picture, entry: Entry = "active") -> None:
        """Start from the bank as it stands.

        Args:
            picture: The skills concerned.
            entry: The status of new text. A candidate replaces nothing that is active.
                Suspect text enters quarantined, and replaces nothing at all.
        """
        self._bank_id = picture.bank_id
        self._revision = picture.revision + 1
        self._skill_count = picture.skill_count
        self._moved = picture.moved
        self._suspect = picture.suspect
        self._entry = entry
        self._skills: dict[tuple[str, int], Skill] = {(s.id, s.version): s for s in picture.skills}
        self._ids: dict[str, list[int]] = {}
        self._holders = {digest: (s.id, s.version) for digest, s in picture.holders.items()}
        self._skills.update(((s.id, s.version), s) for s in picture.holders.values())
        for id_, version in self._skills:
            self._ids.setdefault(id_, []).append(version)
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
        else:
            self._refuse_twin(proposal.draft)
            ref = self._write(proposal, proposal.draft, targets)
        parents = () if proposal.action == "retire" else _refs(targets)
        self._note(proposal.action, ref, proposal.reason, parents, proposal.citations)
        return ref

    def split(
        self,
        target: str,
        drafts: Sequence[SkillDraft],
        reason: str,
        citations: Sequence[Citation] = (),
    ) -> list[SkillRef]:
        """Put several new skills in the place of one, and return them in order.

        Raises:
            Rejection: the target or a draft cannot be used; nothing has changed.
        """
        parent = self._live(target)
        if len({content_digest(draft) for draft in drafts}) < len(drafts):
            raise Rejection("the drafts of a split must differ, two are the same")
        for draft in drafts:
            self._refuse_twin(draft)
        refs = [self._store_new(draft) for draft in drafts]
        for ref in refs:
            self._note("split", ref, reason, _refs([parent]), citations)
        if all(self.skill(ref).status == "active" for ref in refs):
            parts = ", ".join(ref.skill_id for ref in refs)
            self._retire(parent, f"split into {parts}: {reason}")
        return refs

    def activate(self, ref: SkillRef, made_by: Change | None, reason: str) -> SkillRef:
        """Make a version the active one, which postponed replacements now follow.

        Args:
            ref: A version that is not active.
            made_by: The change that made it, which names what it replaces.
            reason: Why.

        Raises:
            Rejection: there is no such version, or it is active already.
        """
        self._refuse_moved(ref.skill_id)
        skill = self._existing(ref)
        if skill.status == "active":
            raise Rejection(f"skill {skill.id} version {skill.version} is active already")
        for other in self._versions(ref.skill_id):
            older = other.version < ref.version and other.status in _LIVE
            if other.status == "active" or older:
                self._set_status(other, "retired", f"superseded by version {ref.version}")
        self._set_status(skill, "active", reason)
        if made_by is not None and made_by.action in ("merge", "split"):
            done = {"merge": "merged", "split": "split"}[made_by.action]
            for parent in made_by.parents:
                if any(s.status in _LIVE for s in self._versions(parent.skill_id)):
                    self._retire(self.skill(parent), f"{done} into {skill.id}: {reason}")
        self._note("activate", ref, reason)
        return ref

    def quarantine(self, ref: SkillRef, reason: str) -> SkillRef:
        """Keep a version from every prompt until somebody activates it.

        Raises:
            Rejection: there is no such version, or it is in quarantine already.
        """
        self._refuse_moved(ref.skill_id)
        skill = self._existing(ref)
        if skill.status == "quarantined":
            raise Rejection(f"skill {skill.id} version {skill.version} is quarantined already")
        self._set_status(skill, "quarantined", reason)
        self._note("quarantine", ref, reason)
        return ref

    def roll_back(self, then: Iterable[Skill], revision: int, reason: str) -> None:
        """Give every version the status it had, and retire what has come since.

        A version that is quarantined by now stays so. `then` holds every version as of
        `revision`; the picture must hold every version of the bank.
        """
        before = {(skill.id, skill.version): skill for skill in then}
        said = f"rolled back to revision {revision}: {reason}"
        for key, skill in sorted(self._skills.items()):
            old = before.get(key)
            status = old.status if old is not None else "retired"
            if skill.status in (status, "quarantined"):
                continue
            if old is None and skill.status not in _LIVE:
                continue
            self._set_status(skill, status, said)
            self._note("rollback", _ref(skill), said)

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
            raise Rejection(f"no skill {target!r:.60} in this bank", UnknownSkill)
        self._refuse_moved(target)
        usable = [s for s in versions if s.status in _LIVE]
        if not usable:
            raise Rejection(f"skill {target} is {versions[-1].status}")
        return next((s for s in usable if s.status == "active"), usable[-1])

    def _existing(self, ref: SkillRef) -> Skill:
        skill = self._skills.get((ref.skill_id, ref.version))
        if skill is None:
            raise Rejection(
                f"no skill {ref.skill_id!r:.60} version {ref.version} in this bank", UnknownSkill
            )
        return skill

    def _refuse_moved(self, target: str) -> None:
        if (since := self._moved.get(target)) is not None:
            raise Rejection(
                f"skill {target} was changed at revision {since}, after the base revision; "
                "read it again and decide anew"
            )

    def _refuse_twin(self, draft: SkillDraft) -> None:
        if (twin := self.holder(draft)) is not None:
            held = self.skill(twin)
            raise Rejection(
                f"the bank already has this text: skill {held.id} version {held.version} "
                f"({held.status})"
            )

    def _versions(self, target: str) -> list[Skill]:
        return [self._skills[target, version] for version in sorted(self._ids.get(target, ()))]

    def _retire(self, target: Skill, reason: str) -> SkillRef:
        # What is in quarantine stays there, so that it is known for what it is.
        for version in self._versions(target.id):
            if version.status in _LIVE:
                self._set_status(version, "retired", reason)
        return _ref(target)

    def _write(self, proposal: Proposal, draft: SkillDraft, targets: Sequence[Skill]) -> SkillRef:
        if proposal.action != "revise":
            ref = self._store_new(draft)
            if self.skill(ref).status == "active":
                for target in targets:
                    self._retire(target, f"merged into {ref.skill_id}: {proposal.reason}")
            return ref
        old = self._versions(targets[0].id)
        new = self._store(targets[0].id, old[-1].version + 1, draft)
        for version in old:
            replaced = new.status == "active" or new.status == version.status == "candidate"
            if replaced and version.status in _LIVE:
                self._set_status(version, "retired", f"superseded by version {new.version}")
        return _ref(new)

    def _store_new(self, draft: SkillDraft) -> SkillRef:
        new = self._store(skill_id(self._bank_id, self._skill_count), 1, draft)
        self._skill_count += 1
        return _ref(new)

    def _store(self, id_: str, version: int, draft: SkillDraft) -> Skill:
        digest = content_digest(draft)
        suspicion = self._suspect.get(digest)
        skill = Skill(
            id=id_,
            version=version,
            title=draft.title,
            principle=draft.principle,
            when_to_apply=draft.when_to_apply,
            kind=draft.kind,
            category=draft.category,
            status=self._entry if suspicion is None else "quarantined",
            status_reason=suspicion,
            provenance=draft.provenance,
            created_revision=self._revision,
        )
        self._skills[id_, version] = skill
        self._ids.setdefault(id_, []).append(version)
        self._new[id_, version] = digest
        self._holders[digest] = (id_, version)
        return skill

    def _set_status(self, skill: Skill, status: Status, reason: str) -> None:
        key = (skill.id, skill.version)
        self._skills[key] = replace(skill, status=status, status_reason=reason)
        if key not in self._new:
            self._touched[key] = None

    def _note(
        self,
        action: Action,
        ref: SkillRef,
        reason: str,
        parents: tuple[SkillRef, ...] = (),
        citations: Sequence[Citation] = (),
    ) -> None:
        self._log.append(
            Change(
                revision=self._revision,
                action=action,
                skill_id=ref.skill_id,
                version=ref.version,
                parents=parents,
                reason=reason,
                citations=tuple(citations),
            )
        )


def _ref(skill: Skill) -> SkillRef:
    return SkillRef(skill_id=skill.id, version=skill.version)


def _refs(skills: Iterable[Skill]) -> tuple[SkillRef, ...]:
    # By age, as a store returns them: what a change came from has no order of its own.
    return tuple(_ref(skill) for skill in sorted(skills, key=lambda skill: skill.id))
