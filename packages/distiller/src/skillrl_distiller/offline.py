"""OfflineTeacher: skills without a model, mined from the evidence alone.

It compares what successes and failures did. It knows no environment: every word in its
skills comes from the episodes or is plain English about acting in general.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict

from skillrl_distiller.cues import Cue, cues
from skillrl_distiller.diagnosis import lessons, symptoms, to_reply
from skillrl_distiller.mining import Contrast
from skillrl_distiller.phrasing import in_order, phrase, short, tasks_of
from skillrl_distiller.replies import (
    CitationReply,
    LessonReply,
    LessonsReply,
    ProposalReply,
    ProposalsReply,
    Reply,
    SkillReply,
    SkillsReply,
)
from skillrl_distiller.teacher import TeacherReply, TeacherRequest, request_hash
from skillrl_envs.trajectory import Trajectory


class OfflineTeacher:
    """Answers every request from its evidence; deterministic, free of charge."""

    @property
    def name(self) -> str:
        """Carries the version of the mining, which changes whenever its answers may."""
        return "offline/1"

    async def ask(self, request: TeacherRequest, /) -> TeacherReply:
        """Answer with at most `max_items` findings; none where nothing stands out."""
        return TeacherReply(
            text=json.dumps(asdict(_answer(request)), ensure_ascii=False, sort_keys=True),
            model=self.name,
            prompt_tokens=0,
            completion_tokens=0,
            cost=0.0,
            request_hash=request_hash(self.name, request),
        )


def _answer(request: TeacherRequest) -> Reply:
    limit = request.max_items
    if request.operator == "success":
        return SkillsReply(skills=tuple(_task_skills(request)[:limit]))
    if request.operator == "general":
        return SkillsReply(skills=tuple(_general_skills(request.evidence)[:limit]))
    found = lessons(Contrast(request.evidence), request.category)
    if request.operator == "failure":
        return LessonsReply(lessons=tuple(found[:limit]))
    return ProposalsReply(proposals=tuple(_proposals(request, found)[:limit]))


def _task_skills(request: TeacherRequest) -> list[SkillReply]:
    contrast = Contrast(request.evidence)
    plan = contrast.plan()
    if plan is None:
        return []
    when = tasks_of(request.category)
    skills = [
        _skill(
            "a plan that works", in_order(plan.steps, plan.twice), when, to_reply(plan.citations)
        )
    ]
    for rule in contrast.rules(plan):
        step, last = phrase(rule.step), phrase(rule.last)
        skills.append(
            _skill(
                f"first {step}",
                f"before the last step ({last}), {step}.",
                when,
                to_reply(rule.kept),
            )
        )
    return skills


def _general_skills(evidence: Sequence[Trajectory]) -> list[SkillReply]:
    contrast = Contrast(evidence)
    skills = [
        _skill(lesson.title, lesson.principle, lesson.when_to_apply, lesson.citations)
        for lesson in symptoms(contrast)
    ]
    plan = contrast.plan() if len({e.task.category for e in evidence}) > 1 else None
    if plan is not None:
        order = in_order(plan.steps, plan.twice)
        skills.append(
            _skill("what most successes share", order, "any task", to_reply(plan.citations))
        )
    return skills + [_found(cue) for cue in cues(evidence)]


def _found(cue: Cue) -> SkillReply:
    return _skill(
        f"finding {cue.thing}",
        f"to find {cue.thing}, try {cue.word} first.",
        f"the task names {cue.thing}",
        to_reply(cue.citations),
    )


def _skill(
    title: str, principle: str, when: str, citations: tuple[CitationReply, ...]
) -> SkillReply:
    return SkillReply(
        title=title, principle=short(principle), when_to_apply=when, citations=citations
    )


def _proposals(request: TeacherRequest, found: Sequence[LessonReply]) -> list[ProposalReply]:
    # A lesson under the title of an existing skill replaces its text; the same text is
    # no news; anything else is new.
    failing = {episode.id for episode in request.evidence if not episode.outcome.success}
    known = {skill.principle.casefold() for skill in request.existing}
    titled = {
        skill.title.casefold(): skill
        for skill in request.existing
        if skill.kind == "mistake" and skill.category in (None, request.category)
    }
    proposals = []
    for lesson in found:
        citations = tuple(c for c in lesson.citations if c.trajectory_id in failing)
        if not citations or lesson.principle.casefold() in known:
            continue
        target = titled.get(lesson.title.casefold())
        proposals.append(
            ProposalReply(
                action="add" if target is None else "revise",
                target=None if target is None else target.id,
                kind="mistake",
                title=lesson.title,
                principle=short(lesson.principle),
                when_to_apply=lesson.when_to_apply,
                reason=f"in {len(citations)} failures: {lesson.point_of_failure}",
                citations=citations,
            )
        )
    return proposals
