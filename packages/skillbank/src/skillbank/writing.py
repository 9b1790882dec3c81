"""How decisions are written to a store: one lock, one plan, one revision.

A key makes a write repeatable: what came of it is kept beside the skills, in the same
transaction, so a run that was killed in between can ask again and get the same answer.
Texts are screened and embedded before the lock is taken.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from skillbank.changes import Changes, Entry, SkillRef
from skillbank.characters import first_hidden
from skillbank.drafts import check_draft, check_text, content_digest
from skillbank.errors import Conflict, EmbeddingError, InvalidQuery
from skillbank.gate import Gate, require_same_space
from skillbank.identity import is_id
from skillbank.plan import Picture, Plan, Rejection
from skillbank.proposals import fault_of
from skillbank.skill import Proposal, Skill, SkillDraft
from skillbank.snapshots import Snapshot
from skillbank.store import Outcome, SkillStore, Writer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
_Decided = tuple[list[tuple[int, SkillRef]], list[tuple[int, str]]]
"""Accepted (index, version) and rejected (index, why)."""


Written = tuple[Outcome, list[Skill]]
"""What a write came to, and the accepted versions as they were after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a write is about, as far as it is known before the lock."""

    drafts: Sequence[SkillDraft] = ()
    targets: frozenset[str] = field(default_factory=frozenset)
    entry: Entry = "active"
    base_revision: int | None = None
    """The revision that the decisions were made on; None not to look."""
    whole_bank: bool = False
    """Every skill of the bank is a target."""


def add_drafts(
    store: SkillStore, gate: Gate, drafts: Sequence[SkillDraft], entry: Entry, key: str | None
) -> Written:
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

    def decide_all(plan: Plan) -> _Decided:
        refs = [
            plan.holder(draft) or plan.decide(addition)
            for draft, addition in zip(drafts, additions, strict=True)
        ]
        return list(enumerate(refs)), []

    return _keyed(store, gate, Subject(drafts=drafts, entry=entry), "add", key, decide_all)


def apply_proposals(
    store: SkillStore,
    gate: Gate,
    proposals: Sequence[Proposal],
    entry: Entry,
    key: str | None,
    base_revision: int | None,
) -> Written:
    """Write the proposals that can be accepted, each on top of the ones before it.

    Raises:
        Conflict: `key` belongs to another operation.
    """
    faults = [fault_of(proposal) for proposal in proposals]
    sound = [p for p, fault in zip(proposals, faults, strict=True) if fault is None]

    def decide_all(plan: Plan) -> _Decided:
        accepted: list[tuple[int, SkillRef]] = []
        rejected: list[tuple[int, str]] = []
        for index, (proposal, fault) in enumerate(zip(proposals, faults, strict=True)):
            try:
                if fault is not None:
                    raise Rejection(fault)
                accepted.append((index, plan.decide(proposal)))
            except Rejection as why:
                rejected.append((index, str(why)))
        return accepted, rejected

    subject = Subject(
        drafts=[p.draft for p in sound if p.draft is not None],
        targets=frozenset(target for p in sound for target in p.targets),
        entry=entry,
        base_revision=base_revision,
    )
    return _keyed(store, gate, subject, "apply", key, decide_all)


def decide(
    store: SkillStore, gate: Gate, subject: Subject, work: Callable[[Plan, Writer], T]
) -> tuple[T, int]:
    """Carry out one decision, and return its result and the bank's revision afterwards.

    Raises:
        UnknownSkill, Conflict: the decision cannot be carried out; nothing was written.
    """
    prepared = _prepare(gate, subject)
    with store.writing() as writer:
        plan = _plan(store.bank_id, prepared, writer, subject)
        try:
            result = work(plan, writer)
        except Rejection as why:
            raise why.error(str(why)) from None
        return result, _save(writer, gate, plan, prepared.vectors)


def keep_snapshot(store: SkillStore, name: str, note: str) -> Snapshot:
    """Give the present revision a name, unless it has it already.

    Raises:
        Conflict: another revision has the name.
    """
    check_label("name", name)
    if note:
        check_text("reason", note)
    with store.writing() as writer:
        snapshot = Snapshot(name=name, revision=writer.revision, note=note)
        for known in writer.snapshots():
            if known.name == name:
                if known.revision != snapshot.revision:
                    raise Conflict(
                        f"snapshot {name!r:.60} names revision {known.revision} already; choose "
                        "another name"
                    )
                return known
        writer.keep_snapshot(snapshot)
    return snapshot


def check_label(what: str, value: str) -> None:
    """Raise InvalidQuery unless `value` is a short visible name, key or category."""
    if not value.strip() or len(value) > 200 or first_hidden(value) is not None:
        raise InvalidQuery(f"{what} must be 1 to 200 visible characters, got {value!r:.60}")


def _keyed(
    store: SkillStore,
    gate: Gate,
    subject: Subject,
    operation: Literal["add", "apply"],
    key: str | None,
    decide_all: Callable[[Plan], _Decided],
) -> Written:
    prepared = _prepare(gate, subject)
    with store.writing() as writer:
        known = _remembered(writer, key, operation)
        if known is None:
            plan = _plan(store.bank_id, prepared, writer, subject)
            accepted, rejected = decide_all(plan)
            outcome = Outcome(
                operation=operation,
                revision=_save(writer, gate, plan, prepared.vectors),
                accepted=tuple(accepted),
                rejected=tuple(rejected),
            )
            if key is not None:
                writer.remember(key, outcome)
            return outcome, [plan.skill(ref) for _, ref in accepted]
    # Not under the lock: a read needs a connection, which all who wait for it may have.
    return known, _as_of(store, known)


def _as_of(store: SkillStore, outcome: Outcome) -> list[Skill]:
    refs = [ref for _, ref in outcome.accepted]
    found = store.versions({ref.skill_id for ref in refs}, outcome.revision)
    by_ref = {(skill.id, skill.version): skill for skill in found}
    return [by_ref[ref.skill_id, ref.version] for ref in refs]


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What takes long, done before the lock."""

    digests: frozenset[str]
    """Those of the drafts' texts."""
    vectors: Mapping[str, "NDArray[np.float32]"]
    """Digest of a text -> its vector; empty without an embedder."""
    suspect: Mapping[str, str]
    """Digest of a text -> why the screen stops it."""


def _prepare(gate: Gate, subject: Subject) -> _Prepared:
    if subject.entry not in ("active", "candidate"):
        raise InvalidQuery(f"status must be 'active' or 'candidate', got {subject.entry!r}")
    drafts = {content_digest(draft): draft for draft in subject.drafts}
    return _Prepared(frozenset(drafts), gate.document_vectors(drafts), gate.suspicions(drafts))


def _plan(bank_id: str, prepared: _Prepared, writer: Writer, subject: Subject) -> Plan:
    targets = {target for target in subject.targets if is_id(target)}
    moved = {}
    if (base := subject.base_revision) is not None:
        if not 0 <= base <= writer.revision:
            raise InvalidQuery(f"base_revision must be 0 to {writer.revision}, got {base}")
        moved = writer.moved(targets, base)
    if subject.whole_bank:
        skills = writer.all_versions(writer.revision)
    else:
        skills = writer.versions(targets)
    picture = Picture(
        bank_id=bank_id,
        revision=writer.revision,
        skill_count=writer.skill_count,
        skills=skills,
        holders=writer.holders(prepared.digests),
        moved=moved,
        suspect=prepared.suspect,
    )
    return Plan(picture, subject.entry)


def _save(
    writer: Writer, gate: Gate, plan: Plan, vectors: Mapping[str, "NDArray[np.float32]"]
) -> int:
    changes = plan.changes()
    if changes is None:
        return writer.revision
    space = writer.space()
    if changes.versions:
        _check_space(writer, gate)
    writer.save(changes)
    if changes.versions and gate.space is not None:
        if space is None:
            require_same_space(gate.space, writer.register(gate.space))
            writer.use(gate.space.model, changes.revision)
        writer.embed(gate.space.model, _by_ref(changes, vectors))
    return changes.revision


def _check_space(writer: Writer, gate: Gate) -> None:
    space = writer.space()
    if space is not None:
        require_same_space(gate.space, space)
    elif gate.space is not None and writer.skill_count > 0:
        raise EmbeddingError(
            f"the {writer.skill_count} skills of this bank have no vectors yet; call reembed() "
            "once, then add"
        )


def _by_ref(
    changes: Changes, vectors: Mapping[str, "NDArray[np.float32]"]
) -> dict[SkillRef, "NDArray[np.float32]"]:
    return {
        SkillRef(skill_id=new.skill.id, version=new.skill.version): vectors[new.digest]
        for new in changes.versions
    }


def _remembered(writer: Writer, key: str | None, operation: str) -> Outcome | None:
    if key is None:
        return None
    check_label("key", key)
    outcome = writer.outcome(key)
    if outcome is not None and outcome.operation != operation:
        raise Conflict(f"key {key!r:.60} was used for {outcome.operation!r}, not for {operation!r}")
    return outcome
