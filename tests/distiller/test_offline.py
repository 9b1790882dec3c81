import asyncio
import re
from collections.abc import Callable

import pytest

from skillbank.skill import Skill
from skillrl_distiller import (
    DistilSettings,
    EvolveSettings,
    OfflineTeacher,
    distil,
    evolve,
)
from skillrl_envs.trajectory import Trajectory

MakeEpisode = Callable[..., Trajectory]
MakeSkill = Callable[..., Skill]


def principles(episodes: list[Trajectory], kind: str) -> list[str]:
    distilled = asyncio.run(distil(episodes, OfflineTeacher()))
    return [draft.principle for draft in distilled.drafts if draft.kind == kind]


def test_household_plan_is_the_order_that_successes_share(households: list[Trajectory]) -> None:
    assert principles(households, "task") == [
        "in this order: take the object; heat the object with microwave; "
        "move the object to the target.",
        "before the last step (move the object to the target), heat the object with microwave.",
    ]


def test_household_mistake_is_the_step_that_failures_miss(households: list[Trajectory]) -> None:
    assert principles(households, "mistake")[0] == (
        "never forget: heat the object with microwave, and only then move the object to the target."
    )


def test_household_habits_tell_where_things_are(households: list[Trajectory]) -> None:
    found = principles(households, "general")
    assert "to find mug, try fridge first." in found
    assert "to find apple, try table first." in found
    assert "to find potato, try drawer first." in found


def test_household_general_skills_warn_of_repeats(households: list[Trajectory]) -> None:
    assert principles(households, "general")[0].startswith("if an action changes nothing")


def test_shop_plan_needs_no_other_miner(shops: list[Trajectory]) -> None:
    assert principles(shops, "task") == [
        "in this order: search the words of the task; click the words of the task; click buy now.",
        "before the last step (click buy now), click the words of the task.",
    ]
    assert principles(shops, "mistake") == [
        "never forget: click the words of the task, and only then click buy now."
    ]


def test_renaming_every_word_of_a_world_renames_the_skills_and_changes_nothing_else(
    households: list[Trajectory], episode: MakeEpisode
) -> None:
    renamed = {
        "heat": "glorp", "hot": "glorped", "microwave": "zinkbox", "take": "nab", "move": "shift",
        "go": "hop", "look": "peer", "mug": "tark", "apple": "oon", "potato": "weem",
        "fridge": "kolb", "table": "slat", "drawer": "pouch", "cabinet": "niche", "shelf": "rack",
        "desk": "bench", "bed": "cot",
    }  # fmt: skip

    def rename(text: str) -> str:
        return re.sub("[a-z]+", lambda word: renamed.get(word[0], word[0]), text)

    strange = [
        episode(
            original.group_id,
            rename(original.instruction),
            [
                (
                    rename(step.action),
                    rename(
                        original.steps[i + 1].observation
                        if i + 1 < len(original.steps)
                        else original.final_observation
                    ),
                )
                for i, step in enumerate(original.steps)
            ],
            success=original.outcome.success,
            category=original.task.category,
            start=rename(original.steps[0].observation),
        )
        for original in households
    ]
    for kind in ("task", "mistake", "general"):
        expected = [rename(text) for text in principles(households, kind)]
        assert sorted(principles(strange, kind)) == sorted(expected)


def test_words_of_one_episode_never_get_into_a_plan(households: list[Trajectory]) -> None:
    for text in [*principles(households, "task"), *principles(households, "mistake")]:
        assert not {"mug", "apple", "potato", "shelf", "desk", "bed"} & set(text.split())


def test_principles_are_short(households: list[Trajectory], shops: list[Trajectory]) -> None:
    drafts = asyncio.run(distil(households + shops, OfflineTeacher())).drafts
    assert max(len(draft.principle.split()) for draft in drafts) <= 25


def test_citations_point_at_the_steps_that_show_the_finding(households: list[Trajectory]) -> None:
    drafts = asyncio.run(distil(households, OfflineTeacher())).drafts
    plan = next(draft for draft in drafts if draft.kind == "task")
    by_id = {trajectory.id: trajectory for trajectory in households}
    for citation in plan.provenance.citations:
        verbs = [
            by_id[citation.trajectory_id].steps[step].action.split()[0] for step in citation.steps
        ]
        assert verbs == ["take", "heat", "move"]


def test_order_of_the_episodes_does_not_matter(households: list[Trajectory]) -> None:
    forward = asyncio.run(distil(households, OfflineTeacher()))
    assert asyncio.run(distil(households[::-1], OfflineTeacher())) == forward


def test_one_success_is_no_pattern(households: list[Trajectory]) -> None:
    assert principles([households[0], households[1]], "task") == []


def test_all_failures_still_teach_to_leave_dead_ends(households: list[Trajectory]) -> None:
    failures = [trajectory for trajectory in households if not trajectory.outcome.success]
    assert any("nothing new" in text for text in principles(failures, "mistake"))


def test_invalid_actions_teach_to_use_what_is_offered(episode: MakeEpisode) -> None:
    failures = [
        episode(f"g{n}", "do it", [("fly away", "?"), ("walk", f"a road {n}")], success=False)
        for n in range(4)
    ]
    assert principles(failures, "mistake") == [
        "answer with exactly one of the actions that are offered, word for word."
    ]


def evolved(
    households: list[Trajectory], existing: list[Skill], limit: int = 3
) -> list[tuple[str, tuple[str, ...], str]]:
    result = asyncio.run(
        evolve(
            [trajectory for trajectory in households if not trajectory.outcome.success],
            OfflineTeacher(),
            shown={},
            existing=existing,
            successes=[trajectory for trajectory in households if trajectory.outcome.success],
            settings=EvolveSettings(max_new_skills=limit),
        )
    )
    return [
        (proposal.action, proposal.targets, proposal.draft.principle)
        for proposal in result.proposals
        if proposal.draft
    ]


MISSING = "missing: heat the object with microwave"
NEVER_FORGET = (
    "never forget: heat the object with microwave, and only then move the object to the target."
)


def test_evolution_adds_the_missing_step(households: list[Trajectory]) -> None:
    assert ("add", (), NEVER_FORGET) in evolved(households, [])


def test_evolution_revises_a_skill_of_the_same_title(
    households: list[Trajectory], skill: MakeSkill
) -> None:
    old = skill("s1", title=MISSING, principle="heat it sometime.", category="warm")
    assert ("revise", ("s1",), NEVER_FORGET) in evolved(households, [old])


def test_evolution_does_not_repeat_what_is_known(
    households: list[Trajectory], skill: MakeSkill
) -> None:
    known = skill("s1", title="any", principle=NEVER_FORGET, category="warm")
    assert NEVER_FORGET not in [text for _, _, text in evolved(households, [known])]


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_skills_than_asked_for(households: list[Trajectory], limit: int) -> None:
    settings = DistilSettings(max_task_skills=limit, max_mistakes=limit, max_general_skills=limit)
    drafts = asyncio.run(distil(households, OfflineTeacher(), settings=settings)).drafts
    assert [draft.kind for draft in drafts] == (
        ["task"] * limit + ["mistake"] * limit + ["general"] * limit
    )


def test_offline_drafts_are_free_and_signed(households: list[Trajectory]) -> None:
    drafts = asyncio.run(distil(households, OfflineTeacher())).drafts
    assert {draft.provenance.teacher for draft in drafts} == {"offline/1"}
    assert {draft.provenance.cost for draft in drafts} == {0.0}


def test_what_successes_do_twice_is_said_to_be_done_twice(episode: MakeEpisode) -> None:
    def play(thing: str, count: int) -> list[tuple[str, str]]:
        return [
            step
            for number in range(1, count + 1)
            for step in (
                (f"grab {thing} {number}", f"you hold {thing} {number}"),
                (f"put {thing} {number} on sofa", f"{thing} {number} lies there"),
            )
        ]

    things = ["cup", "book", "pen", "hat"]
    episodes = [
        episode(f"{thing}-{count}", f"bring two {thing}", play(thing, count), success=count == 2)
        for thing in things
        for count in (1, 2)
    ]
    assert principles(episodes, "task") == [
        "in this order: grab the object (twice); put the object on sofa (twice)."
    ]
    assert principles(episodes, "mistake") == [
        "once is not enough: grab the object, then do so again with another one.",
        "once is not enough: put the object on sofa, then do so again with another one.",
    ]


def test_search_transcripts_need_no_other_miner(episode: MakeEpisode) -> None:
    films = ["inception", "parasite", "amelie", "vertigo"]
    people = ["nolan", "bong", "jeunet", "hitchcock"]
    towns = ["london", "daegu", "roanne", "leytonstone"]
    episodes = []
    for film, person, town in zip(films, people, towns, strict=True):
        first = (f"search[director of {film}]", f"{film} was directed by {person}")
        second = (f"search[birthplace of {person}]", f"{person} was born in {town}")
        question = f"where was the director of {film} born?"
        right = [first, second, (f"answer[{town}]", "right")]
        wrong = [first, (f"answer[{person}]", "wrong")]
        episodes.append(episode(f"{film}-right", question, right, success=True))
        episodes.append(episode(f"{film}-wrong", question, wrong, success=False))
    assert principles(episodes, "task") == [
        "in this order: search director of the object; search birthplace; answer.",
        "before the last step (answer), search birthplace.",
    ]
    assert principles(episodes, "mistake") == [
        "never forget: search birthplace, and only then answer."
    ]
