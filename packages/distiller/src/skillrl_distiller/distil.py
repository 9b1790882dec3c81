"""distil: successes and failures of an agent to drafts of skills.

One call per category for what worked, one for what went wrong, and one over all
categories. A call that fails costs its own skills and nothing else.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from skillbank.skill import Citation, Kind, SkillDraft
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
from skillrl_distiller.replies import LessonReply, LessonsReply, SkillReply, SkillsReply
from skillrl_distiller.sampling import Stratum, round_robin, stratify
from skillrl_distiller.teacher import Operator, Teacher
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageSink

_KINDS: dict[Operator, Kind] = {"success": "task", "failure": "mistake", "general": "general"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilSettings:
    """How much evidence a teacher gets and how many skills it may write."""

    seed: int = 0
    """Decides which episodes are sampled."""
    max_per_category: int = 8
    """Most successes, and most failures, of one category in one prompt."""
    max_prompt_chars: int = 60_000
    """About the longest description of episodes in one prompt; about 15,000 tokens."""
    max_task_skills: int = 6
    """Per category."""
    max_mistakes: int = 6
    """Per category."""
    max_general_skills: int = 12
    """Over all categories."""
    max_concurrency: int = 4
    """Calls in flight."""

    def __post_init__(self) -> None:
        for name in ("max_per_category", "max_concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("max_task_skills", "max_mistakes", "max_general_skills"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.max_prompt_chars < 4000:
            raise ValueError(f"max_prompt_chars must be at least 4000, got {self.max_prompt_chars}")


@dataclass(frozen=True, slots=True)
class Distilled:
    """What came out of a distillation."""

    schema_version: ClassVar[int] = 2

    drafts: tuple[SkillDraft, ...]
    """By category (tasks, then mistakes), then the general ones."""
    problems: tuple[Problem, ...]
    """Every call, skill and episode that was left out."""


async def distil(
    trajectories: Sequence[Trajectory],
    teacher: Teacher,
    *,
    settings: DistilSettings | None = None,
    report_usage: UsageSink | None = None,
) -> Distilled:
    """Ask `teacher` for skills that explain the outcome of `trajectories`.

    Raises:
        ValueError: two trajectories share an id.
    """
    settings = settings or DistilSettings()
    episodes, problems = usable(trajectories, "general")
    strata = stratify(episodes, seed=settings.seed, limit=settings.max_per_category)
    gate = asyncio.Semaphore(settings.max_concurrency)

    async def one(question: Question) -> Distilled:
        async with gate:
            return await _one_call(question, teacher, report_usage)

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one(question)) for question in _questions(strata, settings)]
    results = [call.result() for call in calls]
    return Distilled(
        drafts=tuple(draft for result in results for draft in result.drafts),
        problems=(*problems, *(problem for result in results for problem in result.problems)),
    )


def _questions(strata: Sequence[Stratum], settings: DistilSettings) -> list[Question]:
    ask_about = partial(Question, max_prompt_chars=settings.max_prompt_chars)
    questions = []
    for stratum in strata:
        questions.append(
            ask_about(
                operator="success",
                category=stratum.category,
                main=stratum.successes,
                contrast=stratum.failures,
                max_items=settings.max_task_skills,
            )
        )
        questions.append(
            ask_about(
                operator="failure",
                category=stratum.category,
                main=stratum.failures,
                contrast=stratum.successes,
                max_items=settings.max_mistakes,
            )
        )
    questions.append(
        ask_about(
            operator="general",
            category=None,
            main=round_robin([stratum.successes for stratum in strata]),
            contrast=round_robin([stratum.failures for stratum in strata]),
            max_items=settings.max_general_skills,
        )
    )
    return [question for question in questions if question.worth_asking]


async def _one_call(
    question: Question, teacher: Teacher, report_usage: UsageSink | None
) -> Distilled:
    try:
        if question.operator == "failure":
            lessons = await ask(
                teacher, question, LessonsReply, stage="distill", report_usage=report_usage
            )
            return _drafts(question, lessons, lessons.reply.lessons)
        skills = await ask(
            teacher, question, SkillsReply, stage="distill", report_usage=report_usage
        )
        return _drafts(question, skills, skills.reply.skills)
    except TeacherError as err:
        return Distilled((), (question.problem("call", f"{type(err).__name__}: {err}"),))


def _drafts(
    question: Question,
    answer: Answer[SkillsReply] | Answer[LessonsReply],
    items: Sequence[SkillReply | LessonReply],
) -> Distilled:
    kept: list[tuple[SkillReply | LessonReply, tuple[Citation, ...]]] = []
    problems = []
    for rank, item in enumerate(items):
        try:
            if rank >= question.max_items:
                raise ValueError(f"at most {question.max_items} were asked for")
            kept.append((item, checked_citations(item.citations, answer.request.evidence)))
        except ValueError as err:
            why = f"{item.title!r} was left out: {err}"
            problems.append(question.problem("skill", why, answer.raw.request_hash))
    kind: Kind = _KINDS[question.operator]
    drafts = tuple(
        SkillDraft(
            title=one_line(item.title),
            principle=one_line(item.principle),
            when_to_apply=one_line(item.when_to_apply),
            kind=kind,
            category=question.category,
            provenance=answer.provenance(evolved=False, citations=citations, shares=len(kept)),
        )
        for item, citations in kept
    )
    return Distilled(drafts, tuple(problems))
