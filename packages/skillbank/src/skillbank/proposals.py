"""What a proposal must look like before a bank looks at its targets, and what came of it."""

from dataclasses import dataclass

from skillbank.drafts import check_citation, check_draft, check_text
from skillbank.errors import InvalidSkill
from skillbank.skill import Proposal, Skill

_TARGETS = {"add": (0, 0), "revise": (1, 1), "retire": (1, 1), "merge": (2, 100)}
"""Fewest and most targets per action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyReport:
    """What became of each proposal."""

    revision: int
    """The bank's revision afterwards; unchanged when nothing was accepted."""
    accepted: tuple[tuple[int, Skill], ...]
    """(index of the proposal, the new version); for "retire", the retired version."""
    rejected: tuple[tuple[int, str], ...]
    """(index of the proposal, why)."""
    quarantined: tuple[tuple[int, Skill], ...] = ()
    """(index of the proposal, the new version) where the screen stopped the text."""


def fault_of(proposal: Proposal) -> str | None:
    """Return why the proposal can be accepted by no bank, or None if it is sound."""
    try:
        check_proposal(proposal)
    except InvalidSkill as err:
        return str(err)
    return None


def check_proposal(proposal: Proposal, *, must_cite: bool = True) -> None:
    """Raise InvalidSkill unless the proposal is sound in itself."""
    if proposal.action not in _TARGETS:
        raise InvalidSkill(
            f"action must be one of {', '.join(_TARGETS)}, got {proposal.action!r:.40}"
        )
    _check_targets(proposal)
    check_text("reason", proposal.reason)
    if must_cite and not proposal.citations:
        raise InvalidSkill("citations must name at least one trajectory, got none")
    for citation in proposal.citations:
        check_citation(citation)
    if proposal.action == "retire":
        if proposal.draft is not None:
            raise InvalidSkill("draft must be None for 'retire', got a draft")
    elif proposal.draft is None:
        raise InvalidSkill(f"draft must hold the new text for {proposal.action!r}, got None")
    else:
        check_draft(proposal.draft)


def _check_targets(proposal: Proposal) -> None:
    fewest, most = _TARGETS[proposal.action]
    count = len(proposal.targets)
    if not fewest <= count <= most:
        wanted = str(fewest) if fewest == most else f"{fewest} to {most}"
        raise InvalidSkill(f"targets must hold {wanted} for {proposal.action!r}, got {count}")
    if len(set(proposal.targets)) < count:
        raise InvalidSkill(f"targets must differ, got {', '.join(proposal.targets):.200}")
