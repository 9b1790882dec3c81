"""One question to a teacher: rendered, asked, accounted for, and its reply checked."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from skillbank.skill import Citation, Provenance, Skill
from skillrl_distiller.parse import parse_reply, reply_schema
from skillrl_distiller.prompts import load_prompt
from skillrl_distiller.replies import CitationReply, Reply
from skillrl_distiller.teacher import Operator, Teacher, TeacherReply, TeacherRequest
from skillrl_distiller.transcript import (
    fitting,
    quote,
    render_episodes,
    render_shown,
    render_skills,
)
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageRecord, UsageSink

R = TypeVar("R", bound=Reply)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that was left out of a result, and why."""

    schema_version: ClassVar[int] = 1

    operator: Operator
    category: str | None
    what: str
    """What is missing: "call", "skill", "proposal" or "trajectory"."""
    error: str
    """The reason, one sentence."""
    request_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask a teacher about which episodes."""

    operator: Operator
    category: str | None
    main: Sequence[Trajectory]
    contrast: Sequence[Trajectory]
    max_items: int
    max_prompt_chars: int
    """About how long the description of the episodes may be."""
    shown: Mapping[str, tuple[Skill, ...]] = field(default_factory=dict)
    existing: tuple[Skill, ...] = ()

    @property
    def worth_asking(self) -> bool:
        """There is something to learn from, and an answer is wanted."""
        enough = self.main or (self.operator == "general" and self.contrast)
        return bool(enough) and self.max_items > 0

    def request(self, schema: Mapping[str, Any]) -> TeacherRequest:
        """Return the request for a reply of that JSON schema, with the evidence that fits."""
        main_share = self.max_prompt_chars * 3 // 4 if self.contrast else self.max_prompt_chars
        contrast_share = self.max_prompt_chars - main_share
        main = fitting(self.main, main_share)
        contrast = fitting(self.contrast, contrast_share)
        shown = {episode.id: self.shown.get(episode.id, ()) for episode in main}
        version = f"{self.operator}.v1"
        messages = load_prompt(version).render(
            schema=_compact(schema),
            max_items=str(self.max_items),
            category=quote("category", self.category or "all", 100),
            main=render_episodes(main, main_share),
            contrast=render_episodes(contrast, contrast_share),
            shown=render_shown(shown),
            existing=render_skills(self.existing),
        )
        return TeacherRequest(
            operator=self.operator,
            prompt_version=version,
            category=self.category,
            messages=messages,
            reply_schema=schema,
            max_items=self.max_items,
            evidence=main + contrast,
            shown=shown,
            existing=self.existing,
            cause_id=f"{self.operator}/{self.category or 'all'}",
        )

    def problem(self, what: str, error: object, request_hash: str | None = None) -> Problem:
        """Return a problem with this question's operator and category."""
        return Problem(
            operator=self.operator,
            category=self.category,
            what=what,
            error=str(error),
            request_hash=request_hash,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[R]):
    """A checked reply, with what its skills must say about their origin."""

    request: TeacherRequest
    reply: R
    raw: TeacherReply

    def provenance(
        self, *, evolved: bool, citations: tuple[Citation, ...], shares: int
    ) -> Provenance:
        """Return a skill's provenance; the call's cost is split over `shares` skills."""
        return Provenance(
            source="evolved" if evolved else "distilled",
            teacher=self.raw.model,
            prompt_hash=self.raw.request_hash,
            citations=citations,
            cost=None if self.raw.cost is None else self.raw.cost / shares,
        )


async def ask(
    teacher: Teacher,
    question: Question,
    reply_type: type[R],
    *,
    stage: str,
    report_usage: UsageSink | None,
) -> Answer[R]:
    """Ask once; the cost is reported even if the reply turns out to be useless.

    Raises:
        TeacherError: the teacher failed, or its reply breaks the agreed form.
    """
    request = question.request(reply_schema(reply_type))
    raw = await teacher.ask(request)
    if report_usage is not None:
        for record in usage_records(raw, stage=stage, cause_id=request.cause_id):
            report_usage(record)
    return Answer(request=request, reply=parse_reply(reply_type, raw), raw=raw)


def usage_records(reply: TeacherReply, *, stage: str, cause_id: str) -> list[UsageRecord]:
    """Return what one call used: the call with its whole price, then its tokens.

    The token records carry price 0, since the call's price includes them; where that
    is unknown, theirs is too. A call repeated from a recording has the same keys.
    """
    included = None if reply.cost is None else 0.0
    amounts = [
        ("teacher_call", 1, "call", reply.cost),
        ("prompt_tokens", reply.prompt_tokens, "token", included),
        ("completion_tokens", reply.completion_tokens, "token", included),
    ]
    return [
        UsageRecord(
            stage=stage,
            what=what,
            quantity=float(quantity),
            unit=unit,
            price=price,
            cause_id=cause_id,
            idempotency_key=f"{reply.request_hash}/{what}",
        )
        for what, quantity, unit, price in amounts
        if quantity is not None
    ]


def checked_citations(
    cited: Sequence[CitationReply], allowed: Sequence[Trajectory]
) -> tuple[Citation, ...]:
    """Return the citations, if each names existing steps of an allowed episode.

    Raises:
        ValueError: no citation, or one that points nowhere; says which.
    """
    lengths = {episode.id: len(episode.steps) for episode in allowed}
    if not cited:
        raise ValueError("it cites no episode")
    for citation in cited:
        if citation.trajectory_id not in lengths:
            raise ValueError(f"it cites {citation.trajectory_id!r}, which is not in the evidence")
        length = lengths[citation.trajectory_id]
        wrong = [step for step in citation.steps if not 0 <= step < length]
        if wrong:
            raise ValueError(
                f"it cites step {wrong[0]} of {citation.trajectory_id!r}, which has {length} steps"
            )
    return tuple(
        Citation(trajectory_id=citation.trajectory_id, steps=citation.steps) for citation in cited
    )


def usable(
    episodes: Sequence[Trajectory], operator: Operator
) -> tuple[list[Trajectory], list[Problem]]:
    """Split off the episodes that say nothing about the agent, with the reason for each."""
    kept, problems = [], []
    for episode in episodes:
        if episode.ended.kind == "failed":
            reason = f"{episode.id}: the episode broke ({episode.ended.reason})"
        elif not episode.steps:
            reason = f"{episode.id}: the episode has no steps"
        else:
            kept.append(episode)
            continue
        problems.append(
            Problem(
                operator=operator, category=episode.task.category, what="trajectory", error=reason
            )
        )
    return kept, problems


def one_line(text: str) -> str:
    """Return a skill's text without line breaks or runs of blanks."""
    return " ".join(text.split())


def _compact(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))
