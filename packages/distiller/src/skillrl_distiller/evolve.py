"""evolve: recent failures to proposed changes of the skills.

One call per category, so that a new skill belongs to the category it was learned in.
Nothing is applied here: proposals are for the owner of the bank.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from skillbank.skill import Proposal, Skill, SkillDraft
from skillrl_distiller.errors import TeacherError
from skillrl_distiller.exchange import (
    Answer,
    Problem,
    Question,
    ask,
    checked_citations,
    one_line,
    usable,
)
from skillrl_distiller.replies import ProposalReply, ProposalsReply
from skillrl_distiller.sampling import Stratum, round_robin, stratify
from skillrl_distiller.teacher import Teacher
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageSink


@dataclass(frozen=True, slots=True, kw_only=True)
class EvolveSettings:
    """How many failures are looked at and how much may change at once."""

    seed: int = 0
    """Decides which failures are sampled."""
    max_new_skills: int = 3
    """Most skills added per look, over all categories (the paper's value)."""
    max_changes: int = 6
    """Most proposals asked for per category, revisions and retirements included."""
    max_per_category: int = 5
    """Most failures of one category in one prompt."""
    max_prompt_chars: int = 60_000
    """About the longest description of episodes in one prompt; about 15,000 tokens."""
    max_concurrency: int = 4
    """Calls in flight."""

    def __post_init__(self) -> None:
        for name in ("max_changes", "max_per_category", "max_concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_new_skills < 0:
            raise ValueError(f"max_new_skills must not be negative, got {self.max_new_skills}")
        if self.max_prompt_chars < 4000:
            raise ValueError(f"max_prompt_chars must be at least 4000, got {self.max_prompt_chars}")


@dataclass(frozen=True, slots=True)
class Evolved:
    """What came out of one look at the failures."""

    schema_version: ClassVar[int] = 2

    proposals: tuple[Proposal, ...]
    """In turn from each category."""
    problems: tuple[Problem, ...]
    """Every call, proposal and episode that was left out."""


@dataclass(frozen=True, slots=True)
class _Candidates:
    proposals: list[tuple[Question, Proposal]]
    problems: list[Problem]


async def evolve(
    failures: Sequence[Trajectory],
    teacher: Teacher,
    *,
    shown: Mapping[str, tuple[Skill, ...]],
    existing: Sequence[Skill],
    successes: Sequence[Trajectory] = (),
    settings: EvolveSettings | None = None,
    report_usage: UsageSink | None = None,
) -> Evolved:
    """Ask `teacher` what to add, revise or retire, category by category.

    Args:
        failures: Episodes to learn from; only these may be cited.
        teacher: Who is asked.
        shown: Trajectory id -> the skills that stood in its prompts.
        existing: Skills that may be revised or retired; each call gets those of its
            category, the general ones and the shown ones.
        successes: Episodes of the same categories, for contrast.
        settings: Limits; the defaults if None.
        report_usage: Receives the cost of every call.

    Raises:
        ValueError: an episode is on the wrong side, or two share an id.
    """
    settings = settings or EvolveSettings()
    _check_sides(failures, successes)
    episodes, problems = usable([*failures, *successes], "evolve")
    strata = stratify(episodes, seed=settings.seed, limit=settings.max_per_category)
    gate = asyncio.Semaphore(settings.max_concurrency)

    async def one(question: Question) -> _Candidates:
        async with gate:
            return await _one_call(question, teacher, report_usage)

    async with asyncio.TaskGroup() as group:
        calls = [
            group.create_task(
                one(
                    Question(
                        operator="evolve",
                        category=stratum.category,
                        main=stratum.failures,
                        contrast=stratum.successes,
                        max_items=settings.max_changes,
                        max_prompt_chars=settings.max_prompt_chars,
                        shown=shown,
                        existing=_relevant(existing, stratum, shown),
                    )
                )
            )
            for stratum in strata
            if stratum.failures
        ]
    results = [call.result() for call in calls]
    problems += [problem for result in results for problem in result.problems]
    return _capped([result.proposals for result in results], problems, settings.max_new_skills)


def _relevant(
    existing: Sequence[Skill], stratum: Stratum, shown: Mapping[str, tuple[Skill, ...]]
) -> tuple[Skill, ...]:
    # Skills of other categories would fill the prompt, unless these episodes had them.
    seen = {skill.id for episode in stratum.failures for skill in shown.get(episode.id, ())}
    return tuple(
        skill
        for skill in existing
        if skill.category in (None, stratum.category) or skill.id in seen
    )


async def _one_call(
    question: Question, teacher: Teacher, report_usage: UsageSink | None
) -> _Candidates:
    try:
        answer = await ask(
            teacher, question, ProposalsReply, stage="evolve", report_usage=report_usage
        )
    except TeacherError as err:
        return _Candidates([], [question.problem("call", f"{type(err).__name__}: {err}")])
    candidates = _Candidates([], [])
    shares = max(1, sum(item.action != "retire" for item in answer.reply.proposals))
    for rank, item in enumerate(answer.reply.proposals):
        try:
            if rank >= question.max_items:
                raise ValueError(f"at most {question.max_items} were asked for")
            candidates.proposals.append((question, _proposal(item, question, answer, shares)))
        except ValueError as err:
            why = f"{item.action} {item.target or repr(item.title)} was left out: {err}"
            candidates.problems.append(question.problem("proposal", why, answer.raw.request_hash))
    return candidates


def _proposal(
    item: ProposalReply, question: Question, answer: Answer[ProposalsReply], shares: int
) -> Proposal:
    failures = [episode for episode in answer.request.evidence if not episode.outcome.success]
    citations = checked_citations(item.citations, failures)
    target = _target(item, question.existing)
    draft = None
    if item.action != "retire":
        assert item.title is not None  # the reply's own check saw to these
        assert item.principle is not None
        assert item.when_to_apply is not None
        assert item.kind is not None
        if target is not None and item.kind != target.kind:
            raise ValueError(f"{target.id} is of kind {target.kind}, not {item.kind}")
        category = None if item.kind == "general" else question.category
        draft = SkillDraft(
            title=one_line(item.title),
            principle=one_line(item.principle),
            when_to_apply=one_line(item.when_to_apply),
            kind=item.kind,
            category=category if target is None else target.category,
            provenance=answer.provenance(evolved=True, citations=citations, shares=shares),
        )
        _check_new(draft, question.existing)
    return Proposal(
        action=item.action,
        draft=draft,
        targets=() if target is None else (target.id,),
        reason=one_line(item.reason),
        citations=citations,
    )


def _target(item: ProposalReply, existing: Sequence[Skill]) -> Skill | None:
    if item.target is None:
        return None
    for skill in existing:
        if skill.id == item.target:
            return skill
    raise ValueError(f"there is no skill {item.target!r}")


def _check_new(draft: SkillDraft, existing: Sequence[Skill]) -> None:
    for skill in existing:
        if one_line(skill.principle).casefold() == draft.principle.casefold():
            raise ValueError(f"skill {skill.id} already says this")


def _check_sides(failures: Sequence[Trajectory], successes: Sequence[Trajectory]) -> None:
    for episode in failures:
        if episode.outcome.success:
            raise ValueError(f"{episode.id} was passed as a failure but succeeded")
    for episode in successes:
        if not episode.outcome.success:
            raise ValueError(f"{episode.id} was passed as a success but failed")


def _capped(
    groups: Sequence[Sequence[tuple[Question, Proposal]]], problems: list[Problem], limit: int
) -> Evolved:
    kept = []
    added = 0
    for question, proposal in round_robin(groups):
        if proposal.action == "add":
            added += 1
            if added > limit:
                title = proposal.draft.title if proposal.draft else ""
                why = f"add {title!r} was left out: at most {limit} new skills per look"
                problems.append(question.problem("proposal", why))
                continue
        kept.append(proposal)
    return Evolved(tuple(kept), tuple(problems))
