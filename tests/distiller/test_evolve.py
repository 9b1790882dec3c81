import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from skillbank.skill import Skill
from skillrl_distiller import (
    Evolved,
    EvolveSettings,
    ScriptedTeacher,
    TeacherRequest,
    TeacherUnavailable,
    evolve,
)
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageRecord

MakeEpisode = Callable[..., Trajectory]
MakeSkill = Callable[..., Skill]


@pytest.fixture
def failures(episode: MakeEpisode) -> list[Trajectory]:
    return [
        episode(
            f"{category}{number}",
            f"put a hot {category} mug in the shelf",
            [("go to fridge 1", "The fridge is closed."), ("eat mug 1", "Nothing happens.")],
            success=False,
            category=category,
        )
        for category in ("alpha", "beta")
        for number in range(2)
    ]


def proposal(cited: str, *steps: int, **changes: object) -> dict[str, object]:
    values: dict[str, object] = {
        "action": "add",
        "target": None,
        "kind": "task",
        "title": "open it",
        "principle": f"Open it, as {cited} shows.",
        "when_to_apply": "it is closed",
        "reason": "it stayed closed",
        "citations": [{"trajectory_id": cited, "steps": list(steps)}],
    }
    return values | changes


RETIRE = {"action": "retire", "kind": None, "title": None, "principle": None, "when_to_apply": None}


def run(
    failures: list[Trajectory],
    reply: Callable[[TeacherRequest], Any],
    existing: tuple[Skill, ...] = (),
    **settings: int,
) -> Evolved:
    def answer(request: TeacherRequest) -> Any:  # noqa: ANN401  # text or error
        answered = reply(request)
        return json.dumps({"proposals": answered}) if isinstance(answered, list) else answered

    return asyncio.run(
        evolve(
            failures,
            ScriptedTeacher(answer, cost=0.1),
            shown={},
            existing=existing,
            settings=EvolveSettings(**settings),
        )
    )


def test_prompt_of_a_failing_episode_holds_task_category_observations_and_actions(
    failures: list[Trajectory], skill: MakeSkill
) -> None:
    teacher = ScriptedTeacher(lambda request: '{"proposals": []}')
    shown = skill("s-shown", principle="open what is closed.", category="alpha")
    asyncio.run(evolve(failures[:1], teacher, shown={"alpha0/0": (shown,)}, existing=[shown]))
    assert teacher.requests[0].messages[1].content == "\n".join(
        [
            "Propose at most 6 changes.",
            "",
            "category | alpha",
            "",
            "## Failed episodes",
            "",
            "### Episode alpha0/0 (failure)",
            "category | alpha",
            "task | put a hot alpha mug in the shelf",
            "step 0",
            " saw | You are in a room.",
            " did | go to fridge 1",
            "step 1",
            " saw | The fridge is closed.",
            " did | eat mug 1",
            "at the end saw | Nothing happens.",
            "ended | truncated: step limit, after 2 steps",
            "",
            "## Successful episodes, for contrast",
            "",
            "(none)",
            "",
            "## Skills that were shown, by episode",
            "",
            "alpha0/0 showed | s-shown",
            "",
            "## Existing skills",
            "",
            "### Skill s-shown",
            "about | mistake, alpha",
            "title | a title",
            "principle | open what is closed.",
            "when | always",
        ]
    )
    assert teacher.requests[0].shown == {"alpha0/0": (shown,)}


def test_each_category_is_asked_about_on_its_own(failures: list[Trajectory]) -> None:
    evolved = run(failures, lambda request: [proposal(request.evidence[0].id, 1)])
    assert [(p.draft.category, p.citations[0].steps) for p in evolved.proposals if p.draft] == [
        ("alpha", (1,)),
        ("beta", (1,)),
    ]


def test_draft_is_signed_and_shares_the_cost(failures: list[Trajectory]) -> None:
    evolved = run(
        failures[:1], lambda request: [proposal("alpha0/0"), proposal("alpha0/0", principle="b")]
    )
    drafts = [p.draft for p in evolved.proposals if p.draft]
    assert [draft.provenance.source for draft in drafts] == ["evolved", "evolved"]
    assert [draft.provenance.cost for draft in drafts] == [0.05, 0.05]


def test_new_skills_are_capped_over_all_categories_in_turn(failures: list[Trajectory]) -> None:
    evolved = run(
        failures,
        lambda request: [proposal(e.id) for e in request.evidence],
        max_new_skills=3,
    )
    assert [p.citations[0].trajectory_id for p in evolved.proposals] == [
        "alpha0/0", "beta0/0", "alpha1/0",
    ]  # fmt: skip
    assert [p.error for p in evolved.problems] == [
        "add 'open it' was left out: at most 3 new skills per look"
    ]


def test_revision_keeps_the_place_of_its_target(
    failures: list[Trajectory], skill: MakeSkill
) -> None:
    general = skill("s1", kind="general", category=None)
    evolved = run(
        failures[:1],
        lambda request: [proposal("alpha0/0", action="revise", target="s1", kind="general")],
        (general,),
    )
    (revision,) = evolved.proposals
    assert revision.targets == ("s1",)
    assert revision.draft is not None
    assert (revision.draft.kind, revision.draft.category) == ("general", None)


def test_retirement_has_no_text(failures: list[Trajectory], skill: MakeSkill) -> None:
    evolved = run(
        failures[:1],
        lambda request: [proposal("alpha0/0", 1, target="s1", **RETIRE)],
        (skill("s1", category="alpha"),),
    )
    (retirement,) = evolved.proposals
    assert (retirement.action, retirement.draft, retirement.targets) == ("retire", None, ("s1",))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"citations": [{"trajectory_id": "made/up", "steps": []}]}, "'made/up', which is not in"),
        ({"citations": [{"trajectory_id": "alpha0/0", "steps": [2]}]}, "which has 2 steps"),
        ({"citations": [{"trajectory_id": "alpha0/0", "steps": [-1]}]}, "cites step -1"),
        ({"citations": []}, "it cites no episode"),
        ({"action": "revise", "target": "s9"}, "there is no skill 's9'"),
        ({"target": "s9"} | RETIRE, "there is no skill 's9'"),
        ({"action": "revise", "target": "s1"}, "s1 is of kind mistake, not task"),
        ({"principle": "A  Principle."}, "skill s1 already says this"),
    ],
)
def test_a_proposal_without_ground_is_rejected_with_the_reason(
    failures: list[Trajectory], skill: MakeSkill, changes: dict[str, object], why: str
) -> None:
    evolved = run(
        failures[:1],
        lambda request: [proposal("alpha0/0", **changes)],
        (skill("s1", category="alpha"),),
    )
    assert evolved.proposals == ()
    assert [problem.what for problem in evolved.problems] == ["proposal"]
    assert why in evolved.problems[0].error


def test_a_success_is_no_ground_for_a_change(
    failures: list[Trajectory], episode: MakeEpisode
) -> None:
    success = episode("fine", "do it", [("go", "done")], success=True, category="alpha")
    teacher = ScriptedTeacher([json.dumps({"proposals": [proposal("fine/0", 0)]})])
    evolved = asyncio.run(evolve(failures[:1], teacher, shown={}, existing=[], successes=[success]))
    assert "### Episode fine/0 (success)" in teacher.requests[0].messages[1].content
    assert "not in the evidence" in evolved.problems[0].error


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"action": "revise"}, "revise must have a target"),
        ({"target": "s1"}, "add must have no target"),
        ({"title": None}, "add must have all of kind"),
        ({"action": "retire", "target": "s1"}, "retire must have none of kind"),
        ({"action": "merge"}, "'add', 'revise' or 'retire'"),
    ],
)
def test_a_reply_with_a_malformed_proposal_is_a_problem(
    failures: list[Trajectory], changes: dict[str, object], why: str
) -> None:
    evolved = run(failures[:1], lambda request: [proposal("alpha0/0", **changes)])
    assert [problem.what for problem in evolved.problems] == ["call"]
    assert "proposals.0" in evolved.problems[0].error
    assert why in evolved.problems[0].error


def test_a_failing_category_does_not_lose_the_other(failures: list[Trajectory]) -> None:
    evolved = run(
        failures,
        lambda request: (
            TeacherUnavailable("down")
            if request.category == "alpha"
            else [proposal(request.evidence[0].id)]
        ),
    )
    assert len(evolved.proposals) == 1
    assert [problem.category for problem in evolved.problems] == ["alpha"]


def test_skills_of_other_categories_stay_out_of_the_prompt_unless_shown(
    failures: list[Trajectory], skill: MakeSkill
) -> None:
    existing = [
        skill("own", category="alpha"),
        skill("general", kind="general", category=None),
        skill("foreign", category="beta"),
        skill("foreign-shown", category="beta"),
    ]
    teacher = ScriptedTeacher(['{"proposals": []}'])
    asyncio.run(
        evolve(failures[:1], teacher, shown={"alpha0/0": (existing[3],)}, existing=existing)
    )
    assert [s.id for s in teacher.requests[0].existing] == ["own", "general", "foreign-shown"]


def test_usage_is_reported_under_evolve(failures: list[Trajectory]) -> None:
    records: list[UsageRecord] = []
    asyncio.run(
        evolve(
            failures[:1],
            ScriptedTeacher(['{"proposals": []}']),
            shown={},
            existing=[],
            report_usage=records.append,
        )
    )
    assert {(r.stage, r.what) for r in records} == {
        ("evolve", "teacher_call"), ("evolve", "prompt_tokens"), ("evolve", "completion_tokens"),
    }  # fmt: skip


def test_episodes_on_the_wrong_side_are_refused(
    failures: list[Trajectory], episode: MakeEpisode
) -> None:
    success = episode("fine", "do it", [("go", "done")], success=True)
    with pytest.raises(ValueError, match="passed as a failure but succeeded"):
        asyncio.run(evolve([success], ScriptedTeacher([]), shown={}, existing=[]))
    with pytest.raises(ValueError, match="passed as a success but failed"):
        asyncio.run(evolve([], ScriptedTeacher([]), shown={}, existing=[], successes=failures[:1]))
