"""Skills into prompts, and what the methods make of episodes."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from skillbank import Citation, Proposal, Provenance, RetrievalSettings, SkillBank, SkillDraft
from skillrl_app.methods import Grpo, SkillRl
from skillrl_app.skills import BankSkills
from skillrl_envs.exposure import Exposure, SkillExposure
from skillrl_envs.jsonl import read_jsonl
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Ended, Outcome, Trajectory
from skillrl_train.evolution import EvolutionSettings

HEAT = Task(id="h", env="alfworld", category="heat", split="train")
COOL = Task(id="c", env="alfworld", category="cool", split="train")
GOLDEN = Path(__file__).parents[1] / "envs" / "golden" / "Trajectory.json"
(EPISODE,) = read_jsonl(Trajectory, GOLDEN)


def draft(title: str, category: str | None) -> SkillDraft:
    return SkillDraft(
        title=title,
        principle=f"{title} it",
        when_to_apply="always",
        kind="task" if category else "general",
        category=category,
        provenance=Provenance(source="manual"),
    )


def bank_with_three() -> SkillBank:
    bank = SkillBank.in_memory()
    bank.add([draft("See", None), draft("Warm", "heat"), draft("Chill", "cool")])
    return bank


def source(bank: SkillBank, *, withhold: float, mode: str = "template") -> BankSkills:
    return BankSkills(
        bank,
        RetrievalSettings(mode=mode),  # type: ignore[arg-type]  # one of its modes
        revision=bank.revision,
        withhold=withhold,
        style="plain",
        instruction=lambda task: f"{task.category} some mug",
    )


@pytest.mark.parametrize("mode", ["template", "text"])
def test_a_task_gets_the_skills_of_its_category(mode: str) -> None:
    skills = source(bank_with_three(), withhold=0.0, mode=mode)
    block, exposure = skills(HEAT, 1)
    assert block.splitlines() == ["see it", "warm it"]
    assert [item.shown for item in exposure.skills] == [True, True]
    assert {item.propensity for item in exposure.skills} == {1.0}
    assert "chill it" in skills(COOL, 1)[0]


def test_withheld_skills_are_recorded_as_eligible() -> None:
    block, exposure = source(bank_with_three(), withhold=1.0)(HEAT, 1)
    assert block == ""
    assert [(item.shown, item.propensity) for item in exposure.skills] == [(False, 1.0)] * 2


def test_the_share_withheld_is_the_propensity_logged() -> None:
    skills = source(bank_with_three(), withhold=0.25)
    exposures = [skills(HEAT, seed)[1] for seed in range(2000)]
    shown = [exposure.skills[0].shown for exposure in exposures]
    # 2,000 draws at 0.75: the standard error is 0.01.
    assert sum(shown) / 2000 == pytest.approx(0.75, abs=0.04)
    assert {e.skills[0].propensity for e in exposures if e.skills[0].shown} == {0.75}
    assert {e.skills[0].propensity for e in exposures if not e.skills[0].shown} == {0.25}
    assert skills(HEAT, 5) == skills(HEAT, 5)


def test_a_pinned_revision_does_not_see_later_skills() -> None:
    bank = bank_with_three()
    pinned = source(bank, withhold=0.0)
    bank.add([draft("Hurry", None)])
    assert "hurry it" not in pinned(HEAT, 1)[0]
    assert "hurry it" in source(bank, withhold=0.0)(HEAT, 1)[0]


def test_the_share_withheld_is_checked() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\], got 1.5"):
        source(bank_with_three(), withhold=1.5)


def method(bank: SkillBank, settings: EvolutionSettings, **more: object) -> SkillRl:
    def propose(
        failures: Sequence[Trajectory], contrast: Sequence[Trajectory], most: int
    ) -> list[Proposal]:
        return [
            Proposal(
                action="add",
                draft=draft("Retry", "heat"),
                reason="it gave up",
                citations=(Citation(trajectory_id=failures[0].id, steps=(0,)),),
            )
        ]

    return SkillRl(
        bank,
        run_id="r",
        settings=settings,
        propose=propose,
        skills_at=lambda revision: (
            lambda task, seed: (
                f"revision {revision}",
                Exposure(skills=(), bank_id=bank.id, bank_revision=revision),
            )
        ),
        first_revision=bank.revision,
        iterations=10,
        **more,  # type: ignore[arg-type]  # `rounds`
    )


def test_a_round_is_taken_up_exactly_lag_iterations_later() -> None:
    bank = bank_with_three()
    skillrl = method(bank, EvolutionSettings(every=2, lag=3))
    # A round before iteration 8 could be used from 11 on: too late for ten iterations.
    assert [i for i in range(10) if skillrl.is_due(i)] == [2, 4, 6]
    assert skillrl.on_iteration_end(2, [EPISODE]).revision == 2
    assert [skillrl.revision_at(i) for i in range(2, 8)] == [1, 1, 1, 2, 2, 2]
    chosen = skillrl.on_reset(5)
    assert chosen is not None
    assert chosen(HEAT, 0)[0] == "revision 2"


def test_a_resumed_method_knows_its_rounds() -> None:
    skillrl = method(bank_with_three(), EvolutionSettings(every=2, lag=1), rounds={2: 5, 4: 6})
    assert [skillrl.revision_at(i) for i in range(2, 7)] == [1, 5, 5, 6, 6]


def test_evidence_is_logged_once_per_episode_and_not_for_broken_ones() -> None:
    bank = bank_with_three()
    skill = bank.skills()[0]
    shown = SkillExposure(skill_id=skill.id, version=1, shown=True, propensity=0.5)
    exposure = Exposure(skills=(shown,), bank_id=bank.id, bank_revision=1)
    won = replace(
        EPISODE, exposure=exposure, outcome=Outcome(success=True, reward=10.0), group_id="won"
    )
    broken = replace(won, group_id="broken", ended=Ended(kind="failed", reason="x"))
    skillrl = method(bank, EvolutionSettings())
    for episode in (won, won, broken, replace(won, exposure=None, group_id="bare")):
        skillrl.on_episode_end(episode)
    events = bank.evidence(skill.id)
    assert [(event.shown, event.success) for event in events] == [(True, True)]


def test_plain_grpo_has_no_skills_and_no_memory() -> None:
    grpo = Grpo()
    assert grpo.on_reset(3) is None
    assert not any(grpo.is_due(i) for i in range(10))
    grpo.on_episode_end(EPISODE)


def test_episodes_are_scored_within_their_groups() -> None:
    episodes = [
        replace(EPISODE, group_id=group, outcome=Outcome(success=reward > 0, reward=reward))
        for group, reward in (("a", 0.0), ("a", 10.0), ("b", 10.0), ("b", 10.0))
    ]
    # a: mean 5, sample std sqrt(50).
    assert Grpo().estimator(episodes) == pytest.approx([-0.7071067, 0.7071067, 0, 0], rel=1e-5)


def test_a_broken_episode_does_not_lower_the_bar_for_its_group() -> None:
    won = [
        replace(EPISODE, replica=i, outcome=Outcome(success=True, reward=10.0)) for i in range(3)
    ]
    broken = replace(EPISODE, replica=3, ended=Ended(kind="failed", reason="out of memory"))
    assert Grpo().estimator([*won, broken]) == [0.0, 0.0, 0.0, 0.0]
