"""How drafts and proposals are written to a store: one lock, one plan, one revision.

A key makes a write repeatable: what came of it is kept beside the skills, in the same
transaction, so a run that was killed in between can ask again and get the same answer.
"""

from collections.abc import Sequence

from skillbank.changes import Entry, Plan, Rejection, SkillRef
from skillbank.characters import first_hidden
from skillbank.drafts import check_draft, content_digest
from skillbank.errors import Conflict, InvalidQuery
from skillbank.identity import is_id
from skillbank.proposals import fault_of
from skillbank.skill import Proposal, SkillDraft
from skillbank.store import Outcome, SkillStore, Writer


def add_drafts(
    store: SkillStore, drafts: Sequence[SkillDraft], entry: Entry, key: str | None
) -> Outcome:
    """Write drafts; a text the bank already has yields the version that has it.

    Raises:
        InvalidSkill: a draft breaks a rule; nothing was written.
        Conflict: `key` belongs to another operation.
    """
    for draft in drafts:
        check_draft(draft)
    additions = [
        Proposal(action="add", draft=draft, reason="added", citations=draft.provenance.citations)
        for draft in drafts
    ]
    with store.writing() as writer:
        if (known := _remembered(writer, key, "add")) is not None:
            return known
        plan = _plan(store.bank_id, writer, additions, entry)
        refs = [
            plan.holder(draft) or plan.decide(addition)
            for draft, addition in zip(drafts, additions, strict=True)
        ]
        outcome = Outcome(
            operation="add", revision=_save(writer, plan), accepted=tuple(enumerate(refs))
        )
        if key is not None:
            writer.remember(key, outcome)
    return outcome


def apply_proposals(
    store: SkillStore, proposals: Sequence[Proposal], entry: Entry, key: str | None
) -> Outcome:
    """Write the proposals that can be accepted, each on top of the ones before it.

    Raises:
        Conflict: `key` belongs to another operation.
    """
    faults = [fault_of(proposal) for proposal in proposals]
    sound = [p for p, fault in zip(proposals, faults, strict=True) if fault is None]
    with store.writing() as writer:
        if (known := _remembered(writer, key, "apply")) is not None:
            return known
        plan = _plan(store.bank_id, writer, sound, entry)
        outcome = _decide_all(writer, plan, proposals, faults)
        if key is not None:
            writer.remember(key, outcome)
    return outcome


def check_label(field: str, value: str) -> None:
    """Raise InvalidQuery unless `value` is a short visible name, key or category."""
    if not value.strip() or len(value) > 200 or first_hidden(value) is not None:
        raise InvalidQuery(f"{field} must be 1 to 200 visible characters, got {value!r:.60}")


def _plan(bank_id: str, writer: Writer, proposals: Sequence[Proposal], entry: Entry) -> Plan:
    if entry not in ("active", "candidate"):
        raise InvalidQuery(f"status must be 'active' or 'candidate', got {entry!r}")
    targets = {target for p in proposals for target in p.targets if is_id(target)}
    digests = {content_digest(p.draft) for p in proposals if p.draft is not None}
    return Plan(
        bank_id=bank_id,
        revision=writer.revision,
        skill_count=writer.skill_count,
        skills=writer.versions(targets),
        holders=writer.holders(digests),
        entry=entry,
    )


def _decide_all(
    writer: Writer, plan: Plan, proposals: Sequence[Proposal], faults: Sequence[str | None]
) -> Outcome:
    accepted: list[tuple[int, SkillRef]] = []
    rejected: list[tuple[int, str]] = []
    for index, (proposal, fault) in enumerate(zip(proposals, faults, strict=True)):
        try:
            if fault is not None:
                raise Rejection(fault)
            accepted.append((index, plan.decide(proposal)))
        except Rejection as why:
            rejected.append((index, str(why)))
    return Outcome(
        operation="apply",
        revision=_save(writer, plan),
        accepted=tuple(accepted),
        rejected=tuple(rejected),
    )


def _save(writer: Writer, plan: Plan) -> int:
    changes = plan.changes()
    if changes is None:
        return writer.revision
    writer.save(changes)
    return changes.revision


def _remembered(writer: Writer, key: str | None, operation: str) -> Outcome | None:
    if key is None:
        return None
    check_label("key", key)
    outcome = writer.outcome(key)
    if outcome is not None and outcome.operation != operation:
        raise Conflict(f"key {key!r:.60} was used for {outcome.operation!r}, not for {operation!r}")
    return outcome
