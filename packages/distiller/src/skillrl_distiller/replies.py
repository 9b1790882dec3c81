"""The agreed forms of a teacher's reply; what a text must contain to become skills.

Lengths are checked here and not in the JSON schema, because some providers refuse
schemas that limit lengths.
"""

from dataclasses import dataclass
from typing import Literal

from skillbank.skill import Kind

_LIMITS = {
    "title": 100,
    "principle": 600,
    "when_to_apply": 300,
    "point_of_failure": 600,
    "flawed_reasoning": 600,
    "what_to_do": 600,
    "reason": 600,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CitationReply:
    """Steps of one episode."""

    trajectory_id: str
    steps: tuple[int, ...]
    """0-based; empty for the whole episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillReply:
    """One skill."""

    title: str
    principle: str
    when_to_apply: str
    citations: tuple[CitationReply, ...]

    def __post_init__(self) -> None:
        _check_lengths(title=self.title, principle=self.principle, when_to_apply=self.when_to_apply)


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonReply:
    """One mistake, worked out from the point of failure to the principle."""

    point_of_failure: str
    flawed_reasoning: str
    what_to_do: str
    title: str
    principle: str
    when_to_apply: str
    citations: tuple[CitationReply, ...]

    def __post_init__(self) -> None:
        _check_lengths(
            point_of_failure=self.point_of_failure,
            flawed_reasoning=self.flawed_reasoning,
            what_to_do=self.what_to_do,
            title=self.title,
            principle=self.principle,
            when_to_apply=self.when_to_apply,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalReply:
    """One change to the existing skills."""

    action: Literal["add", "revise", "retire"]
    target: str | None
    kind: Kind | None
    title: str | None
    principle: str | None
    when_to_apply: str | None
    reason: str
    citations: tuple[CitationReply, ...]

    def __post_init__(self) -> None:
        texts = {
            "title": self.title,
            "principle": self.principle,
            "when_to_apply": self.when_to_apply,
        }
        given = {name: text for name, text in texts.items() if text is not None}
        _check_lengths(reason=self.reason, **given)
        if (self.action == "add") != (self.target is None):
            raise ValueError(f"{self.action} must have {_target_rule(self.action)}")
        wanted = 0 if self.action == "retire" else 4
        if len(given) + (self.kind is not None) != wanted:
            rule = "none of" if self.action == "retire" else "all of"
            raise ValueError(f"{self.action} must have {rule} kind, {', '.join(texts)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillsReply:
    """Reply to the operators "success" and "general"."""

    skills: tuple[SkillReply, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonsReply:
    """Reply to the operator "failure"."""

    lessons: tuple[LessonReply, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalsReply:
    """Reply to the operator "evolve"."""

    proposals: tuple[ProposalReply, ...]


Reply = SkillsReply | LessonsReply | ProposalsReply
"""Any whole reply."""

REPLY_TYPES = (
    CitationReply,
    SkillReply,
    LessonReply,
    ProposalReply,
    SkillsReply,
    LessonsReply,
    ProposalsReply,
)
"""Every class above, for the parser."""


def _target_rule(action: str) -> str:
    return "no target" if action == "add" else "a target"


def _check_lengths(**texts: str) -> None:
    for name, text in texts.items():
        if not 1 <= len(text.strip()) <= (limit := _LIMITS[name]):
            raise ValueError(f"{name} must have 1 to {limit} characters, got {len(text.strip())}")
