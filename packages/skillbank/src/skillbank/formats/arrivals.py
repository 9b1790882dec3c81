"""Texts on their way from a file into a bank: all of them or none, as one write."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from skillbank.bank import SkillBank
from skillbank.changes import SkillRef
from skillbank.drafts import check_draft, check_text, content_digest
from skillbank.errors import InvalidImport, InvalidSkill
from skillbank.plan import Plan
from skillbank.skill import Proposal, Skill, SkillDraft
from skillbank.store import Writer
from skillbank.writing import Subject

Arriving = Literal["active", "candidate", "quarantined"]
"""The statuses that a text can bring along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A text to take in."""

    draft: SkillDraft
    status: Arriving
    place: str
    """Where it was read, for messages."""
    reason: str | None = None
    """Why it is in quarantine."""
    of: str | None = None
    """The skill it was a version of; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of an arrival."""

    skill: Skill
    known: bool
    """The bank had the text already."""


def arriving(status: str) -> Arriving | None:
    """Return a status that can be brought along, None for any other."""
    return next((known for known in get_args(Arriving) if known == status), None)


Documents = Callable[[Sequence[Taken]], dict[str, str]]
"""Gives the JSON texts to keep beside the skills, by name."""


def check_arrivals(arrivals: Sequence[Arrival]) -> None:
    """Do nothing if every text can become a skill and no two are the same.

    Raises:
        InvalidImport: naming the first place where that fails, and why.
    """
    places: dict[str, str] = {}
    for arrival in arrivals:
        try:
            check_draft(arrival.draft)
            if arrival.reason is not None:
                check_text("reason", arrival.reason)
        except InvalidSkill as err:
            raise InvalidImport(f"{arrival.place}: {err}") from err
        first = places.setdefault(content_digest(arrival.draft), arrival.place)
        if first != arrival.place:
            raise InvalidImport(
                f"{arrival.place}: the same text as {first}, case and white space aside; leave "
                "one of the two out"
            )


def take_in(
    bank: SkillBank, arrivals: Sequence[Arrival], *, reason: str, documents: Documents
) -> tuple[list[Taken], int]:
    """Write arrivals, and return what became of each and the bank's revision afterwards.

    A text the bank has already, in any version and status, stays as it is there. One that
    the screen stops is quarantined, whatever it arrives as. A candidate whose skill has
    an active version among the arrivals becomes a candidate for that skill's next one.

    Args:
        bank: Where to.
        arrivals: Checked texts.
        reason: What the log says.
        documents: Called with what became of the arrivals, inside the write.

    Raises:
        EmbeddingError: the bank's vectors are not of the bank's embedder.
    """

    def work(plan: Plan, writer: Writer) -> list[Taken]:
        homes: dict[str, SkillRef] = {}
        refs = [_take(plan, arrival, reason, homes) for arrival in arrivals]
        taken = [Taken(skill=plan.skill(ref), known=known) for ref, known in refs]
        for name, body in documents(taken).items():
            writer.keep_document(name, body)
        return taken

    # A write has one status for new text: where there are candidates, it is theirs, and
    # the others are made active.
    mixed = any(arrival.status == "candidate" for arrival in arrivals)
    drafts = [arrival.draft for arrival in arrivals]
    return bank.decide(Subject(drafts=drafts, entry="candidate" if mixed else "active"), work)


def _take(
    plan: Plan, arrival: Arrival, reason: str, homes: dict[str, SkillRef]
) -> tuple[SkillRef, bool]:
    if (held := plan.holder(arrival.draft)) is not None:
        return held, True
    home = homes.get(arrival.of or "") if arrival.status == "candidate" else None
    ref = plan.decide(
        Proposal(
            action="add" if home is None else "revise",
            draft=arrival.draft,
            targets=() if home is None else (home.skill_id,),
            reason=reason,
            citations=arrival.draft.provenance.citations,
        )
    )
    entered = plan.skill(ref).status
    if arrival.status == "quarantined" and entered != "quarantined":
        plan.quarantine(ref, arrival.reason or reason)
    elif arrival.status == "active" and entered == "candidate":
        plan.activate(ref, None, reason)
    if arrival.of is not None and plan.skill(ref).status == "active":
        homes[arrival.of] = ref
    return ref, False
