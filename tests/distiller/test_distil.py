import asyncio
import json
from collections.abc import Callable

import pytest

from skillrl_distiller import (
    DistilSettings,
    ScriptedTeacher,
    TeacherRequest,
    TeacherUnavailable,
    distil,
)
from skillrl_envs.trajectory import Ended, Trajectory
from skillrl_envs.usage import UsageRecord

MakeEpisode = Callable[..., Trajectory]


def skill(episode_id: str, *steps: int, title: str = "heat first") -> dict[str, object]:
    return {
        "title": title,
        "principle": "Heat it\nbefore you move it.",
        "when_to_apply": "a hot thing is wanted",
        "citations": [{"trajectory_id": episode_id, "steps": list(steps)}],
    }


def lesson(episode_id: str, *steps: int) -> dict[str, object]:
    return skill(episode_id, *steps) | {
        "point_of_failure": "it moved a cold thing",
        "flawed_reasoning": "it forgot",
        "what_to_do": "heat it",
    }


def answer(request: TeacherRequest) -> str:
    first = request.evidence[0].id
    if request.operator == "failure":
        return json.dumps({"lessons": [lesson(first, 0)]})
    return json.dumps({"skills": [skill(first, 0), skill(first, 1)]})


@pytest.fixture
def mixed(households: list[Trajectory], shops: list[Trajectory]) -> list[Trajectory]:
    return households + shops


def test_one_success_and_one_failure_call_per_category_and_a_general_one(
    mixed: list[Trajectory],
) -> None:
    teacher = ScriptedTeacher(answer)
    asyncio.run(distil(mixed, teacher))
    assert sorted((r.operator, r.category or "") for r in teacher.requests) == [
        ("failure", "wares"),
        ("failure", "warm"),
        ("general", ""),
        ("success", "wares"),
        ("success", "warm"),
    ]


def test_kind_and_category_follow_from_the_call(mixed: list[Trajectory]) -> None:
    drafts = asyncio.run(distil(mixed, ScriptedTeacher(answer))).drafts
    assert [(draft.kind, draft.category) for draft in drafts] == [
        ("task", "wares"),
        ("task", "wares"),
        ("mistake", "wares"),
        ("task", "warm"),
        ("task", "warm"),
        ("mistake", "warm"),
        ("general", None),
        ("general", None),
    ]


def test_draft_says_who_wrote_it_from_what_at_what_cost(households: list[Trajectory]) -> None:
    teacher = ScriptedTeacher(answer, name="model-x", cost=0.06)
    distilled = asyncio.run(distil(households, teacher))
    draft = distilled.drafts[0]
    asked = next(r for r in teacher.requests if r.operator == "success")
    assert draft.principle == "Heat it before you move it."
    assert draft.provenance.source == "distilled"
    assert draft.provenance.teacher == "model-x"
    assert draft.provenance.prompt_hash is not None
    assert len(draft.provenance.prompt_hash) == 64
    assert draft.provenance.citations[0].trajectory_id == asked.evidence[0].id
    assert draft.provenance.citations[0].steps == (0,)
    assert draft.provenance.cost == pytest.approx(0.03)  # two drafts share the call


def test_unknown_price_stays_unknown(households: list[Trajectory]) -> None:
    records: list[UsageRecord] = []
    distilled = asyncio.run(
        distil(households, ScriptedTeacher(answer), report_usage=records.append)
    )
    assert {draft.provenance.cost for draft in distilled.drafts} == {None}
    assert {record.price for record in records} == {None}


def test_every_call_is_reported_once(households: list[Trajectory]) -> None:
    records: list[UsageRecord] = []
    teacher = ScriptedTeacher(answer, cost=0.5)
    asyncio.run(distil(households, teacher, report_usage=records.append))
    assert len(records) == 9  # three calls: the call, its prompt, its completion
    assert len({record.idempotency_key for record in records}) == 9
    assert sum(record.price or 0.0 for record in records) == pytest.approx(1.5)
    assert {record.stage for record in records} == {"distill"}
    assert {record.cause_id for record in records} == {
        "success/warm", "failure/warm", "general/all",
    }  # fmt: skip


def test_a_failing_call_costs_only_its_own_skills(mixed: list[Trajectory]) -> None:
    def flaky(request: TeacherRequest) -> str | TeacherUnavailable:
        if (request.operator, request.category) == ("success", "wares"):
            return TeacherUnavailable("it is down")
        return answer(request)

    distilled = asyncio.run(distil(mixed, ScriptedTeacher(flaky)))
    assert len(distilled.drafts) == 6
    assert [(p.what, p.category, p.error) for p in distilled.problems] == [
        ("call", "wares", "TeacherUnavailable: it is down")
    ]


def test_a_useless_reply_is_a_problem_and_still_paid_for(households: list[Trajectory]) -> None:
    records: list[UsageRecord] = []
    teacher = ScriptedTeacher(lambda request: "I would rather not.", cost=1.0)
    distilled = asyncio.run(distil(households, teacher, report_usage=records.append))
    assert distilled.drafts == ()
    assert len(distilled.problems) == 3
    assert "not JSON at char 0" in distilled.problems[0].error
    assert sum(record.price or 0.0 for record in records) == 3.0


@pytest.mark.parametrize(
    ("episode_id", "steps", "why"),
    [("nowhere/0", (0,), "'nowhere/0', which is not in the evidence"), (None, (99,), "step 99 of")],
)
def test_a_skill_with_invented_evidence_is_left_out(
    households: list[Trajectory], episode_id: str | None, steps: tuple[int, ...], why: str
) -> None:
    def invent(request: TeacherRequest) -> str:
        if request.operator != "success":
            return '{"skills": []}' if request.operator == "general" else '{"lessons": []}'
        real = request.evidence[0].id
        invented = skill(episode_id or real, *steps, title="invented")
        return json.dumps({"skills": [skill(real, 0, title="real"), invented]})

    distilled = asyncio.run(distil(households, ScriptedTeacher(invent)))
    assert [draft.title for draft in distilled.drafts] == ["real"]
    assert [problem.what for problem in distilled.problems] == ["skill"]
    assert why in distilled.problems[0].error
    assert distilled.problems[0].request_hash is not None


def test_an_episode_that_broke_teaches_nothing(
    episode: MakeEpisode, households: list[Trajectory]
) -> None:
    broken = episode(
        "broken", "heat it", [("go", "x")], success=False, category="warm",
        ended=Ended(kind="failed", reason="the policy crashed"),
    )  # fmt: skip
    teacher = ScriptedTeacher(answer)
    distilled = asyncio.run(distil([*households, broken], teacher))
    assert all(broken not in request.evidence for request in teacher.requests)
    assert distilled.problems[0].error == "broken/0: the episode broke (the policy crashed)"


def test_nothing_is_asked_about_nothing() -> None:
    teacher = ScriptedTeacher([])
    assert asyncio.run(distil([], teacher)).drafts == ()
    assert teacher.requests == []


def test_calls_in_flight_are_bounded(mixed: list[Trajectory]) -> None:
    class Busy(ScriptedTeacher):
        flying = most = 0

        async def ask(self, request: TeacherRequest, /):  # type: ignore[no-untyped-def]  # noqa: ANN202
            self.flying += 1
            self.most = max(self.most, self.flying)
            await asyncio.sleep(0.01)
            self.flying -= 1
            return await super().ask(request)

    teacher = Busy(answer)
    asyncio.run(distil(mixed, teacher, settings=DistilSettings(max_concurrency=2)))
    assert teacher.most == 2


def test_two_episodes_of_one_id_are_refused(households: list[Trajectory]) -> None:
    with pytest.raises(ValueError, match="id of another"):
        asyncio.run(distil([households[0], households[0]], ScriptedTeacher(answer)))


@pytest.mark.parametrize(
    "wrong", [{"max_per_category": 0}, {"max_prompt_chars": 10}, {"max_mistakes": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DistilSettings(**wrong)
