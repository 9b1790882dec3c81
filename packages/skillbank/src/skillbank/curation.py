"""BankCurator: what a person or a program decides about skills that a bank has."""

from collections.abc import Sequence

from skillbank.changes import Change, Entry, SkillRef
from skillbank.drafts import check_citation, check_draft, check_text
from skillbank.errors import Conflict, InvalidSkill
from skillbank.plan import Plan
from skillbank.proposals import check_proposal
from skillbank.reading import BankReader
from skillbank.skill import Citation, Proposal, Skill, SkillDraft
from skillbank.snapshots import Snapshot
from skillbank.store import Writer
from skillbank.writing import Subject, decide, keep_snapshot

_MAX_SPLIT = 20


class BankCurator(BankReader):
    """A bank whose skills can be revised, merged, split, retired and brought back.

    Every decision is one write with a reason, and nothing is ever deleted.
    """

    def revise(
        self,
        skill_id: str,
        draft: SkillDraft,
        *,
        reason: str,
        citations: Sequence[Citation] = (),
        status: Entry = "active",
        base_revision: int | None = None,
    ) -> Skill:
        """Give a skill a new version, which replaces the one before it.

        Args:
            skill_id: The skill.
            draft: Its new text.
            reason: Why.
            citations: What argues for it; a person needs none.
            status: What the text enters as; a candidate replaces nothing that is active.
            base_revision: The revision it was decided on; None not to look.

        Raises:
            InvalidSkill: the draft breaks a rule.
            UnknownSkill: no such skill.
            Conflict: the skill has changed since `base_revision` or is retired, or the
                bank has the text already.
        """
        return self._carry_out(
            Proposal(
                action="revise",
                draft=draft,
                targets=(skill_id,),
                reason=reason,
                citations=tuple(citations),
            ),
            status,
            base_revision,
        )

    def merge(
        self,
        skill_ids: Sequence[str],
        draft: SkillDraft,
        *,
        reason: str,
        citations: Sequence[Citation] = (),
        status: Entry = "active",
        base_revision: int | None = None,
    ) -> Skill:
        """Put one new skill in the place of two or more; as `revise` otherwise."""
        return self._carry_out(
            Proposal(
                action="merge",
                draft=draft,
                targets=tuple(skill_ids),
                reason=reason,
                citations=tuple(citations),
            ),
            status,
            base_revision,
        )

    def split(
        self,
        skill_id: str,
        drafts: Sequence[SkillDraft],
        *,
        reason: str,
        citations: Sequence[Citation] = (),
        status: Entry = "active",
        base_revision: int | None = None,
    ) -> list[Skill]:
        """Put two or more new skills in the place of one; as `revise` otherwise."""
        if not 2 <= len(drafts) <= _MAX_SPLIT:
            raise InvalidSkill(f"drafts must hold 2 to {_MAX_SPLIT} to split, got {len(drafts)}")
        check_text("reason", reason)
        for draft in drafts:
            check_draft(draft)
        for citation in citations:
            check_citation(citation)
        subject = Subject(
            drafts=drafts,
            targets=frozenset([skill_id]),
            entry=status,
            base_revision=base_revision,
        )
        refs, revision = decide(
            self._store,
            self._gate,
            subject,
            lambda plan, _: plan.split(skill_id, drafts, reason, citations),
        )
        return self._at(refs, revision)

    def retire(self, skill_id: str, *, reason: str, base_revision: int | None = None) -> Skill:
        """Take a skill out of use and return its last version; errors as for `revise`."""
        proposal = Proposal(
            action="retire", draft=None, targets=(skill_id,), reason=reason, citations=()
        )
        return self._carry_out(proposal, "active", base_revision)

    def activate(self, skill_id: str, version: int | None = None, *, reason: str) -> Skill:
        """Make a candidate, or any other version that is named, the active one.

        What it was to replace, its own earlier versions or the skills it was merged or
        split from, is retired now. This is also the way out of quarantine and retirement.

        Args:
            skill_id: The skill.
            version: None for its latest candidate.
            reason: Why, which becomes the version's `status_reason`.

        Raises:
            UnknownSkill: no such skill or version.
            Conflict: the version is active already, or there is no candidate.
        """
        check_text("reason", reason)
        ref = self._candidate(skill_id, version)
        makers = [change for change in self._store.changes(skill_id) if _made(change, ref)]
        parents = {parent.skill_id for maker in makers for parent in maker.parents}
        subject = Subject(targets=frozenset({skill_id, *parents}))

        def work(plan: Plan, _: Writer) -> SkillRef:
            return plan.activate(ref, makers[0] if makers else None, reason)

        _, revision = decide(self._store, self._gate, subject, work)
        return self._at([ref], revision)[0]

    def quarantine(self, skill_id: str, version: int | None = None, *, reason: str) -> Skill:
        """Keep a version from every prompt until `activate` names it.

        Args:
            skill_id: The skill.
            version: None for the active one, else the latest.
            reason: Why, which becomes the version's `status_reason`.

        Raises:
            UnknownSkill: no such skill or version.
            Conflict: the version is in quarantine already.
        """
        check_text("reason", reason)
        ref = SkillRef(skill_id=skill_id, version=self.get(skill_id, version).version)
        subject = Subject(targets=frozenset([skill_id]))
        _, revision = decide(
            self._store, self._gate, subject, lambda plan, _: plan.quarantine(ref, reason)
        )
        return self._at([ref], revision)[0]

    def rollback(self, revision: int, *, reason: str) -> int:
        """Make the bank's skills what they were at a revision, as a new revision.

        Nothing is deleted, and what is in quarantine by now stays there.

        Returns:
            The bank's revision afterwards; unchanged where nothing differs.

        Raises:
            UnknownSkill: no such revision.
        """
        check_text("reason", reason)
        target = self._pinned(revision)

        def work(plan: Plan, writer: Writer) -> None:
            plan.roll_back(writer.all_versions(target), target, reason)

        return decide(self._store, self._gate, Subject(whole_bank=True), work)[1]

    def snapshot(self, name: str, *, note: str = "") -> Snapshot:
        """Give the present revision a name, which stays its name for good.

        Raises:
            Conflict: another revision has the name.
        """
        return keep_snapshot(self._store, name, note)

    def _carry_out(self, proposal: Proposal, status: Entry, base_revision: int | None) -> Skill:
        check_proposal(proposal, must_cite=False)
        subject = Subject(
            drafts=[] if proposal.draft is None else [proposal.draft],
            targets=frozenset(proposal.targets),
            entry=status,
            base_revision=base_revision,
        )
        ref, revision = decide(
            self._store, self._gate, subject, lambda plan, _: plan.decide(proposal)
        )
        return self._at([ref], revision)[0]

    def _candidate(self, skill_id: str, version: int | None) -> SkillRef:
        if version is None:
            waiting = [skill for skill in self.history(skill_id) if skill.status == "candidate"]
            if not waiting:
                raise Conflict(f"skill {skill_id} has no candidate; name the version to activate")
            version = waiting[-1].version
        return SkillRef(skill_id=skill_id, version=self.get(skill_id, version).version)


def _made(change: Change, ref: SkillRef) -> bool:
    made = ("add", "revise", "merge", "split")
    return change.action in made and (change.skill_id, change.version) == (
        ref.skill_id,
        ref.version,
    )
