"""The torch-free core: advantages, rows, evolution's choices."""

import subprocess
import sys
from collections.abc import Sequence

import pytest

from skillbank import Citation, Proposal, SkillBank, SkillDraft
from skillbank.skill import Provenance
from skillrl_envs.policy import Completion, Message
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Ended, Outcome, Step, Trajectory
from skillrl_train.errors import RowError
from skillrl_train.evolution import (
    EvolutionSettings,
    evolve_bank,
    select_failures,
    success_rates,
)
from skillrl_train.rows import TrainingRow, training_rows


def episode(
    task: str = "t",
    *,
    category: str = "heat",
    success: bool = False,
    replica: int = 0,
    kind: str = "truncated",
    steps: int = 1,
    tokens: bool = True,
) -> Trajectory:
    completion = Completion(
        text="look",
        prompt_ids=(1, 2) if tokens else None,
        completion_ids=(3,) if tokens else None,
        logprobs=(-0.5,) if tokens else None,
        finish_reason="stop",
        policy_version="p",
    )
    step = Step(
        observation="o",
        admissible=("look",),
        messages=(Message("user", "m"),),
        reply="look",
        action="look",
        valid=True,
        reward=0.0,
        completion=completion,
    )
    return Trajectory(
        run_id="r",
        task=Task(id=task, env="alfworld", category=category, split="train"),
        instruction="i",
        seed=0,
        group_id=f"g/{task}",
        replica=replica,
        policy_version="p",
        bank_revision=None,
        context="window",
        skills="",
        exposure=None,
        steps=(step,) * steps,
        final_observation="",
        outcome=Outcome(success=success, reward=10.0 * success),
        ended=Ended(kind=kind, reason="x"),  # type: ignore[arg-type]  # given by the test
        prompt_tokens=0,
        completion_tokens=0,
    )


def test_a_row_per_step_of_episodes_that_carry_an_advantage() -> None:
    episodes = [episode(steps=2), episode(), episode(kind="failed")]
    rows = training_rows(episodes, [0.5, 0.0, -1.0])
    assert rows == [TrainingRow((1, 2), (3,), (-0.5,), 0.5)] * 2


def test_an_episode_without_tokens_cannot_be_trained_on() -> None:
    with pytest.raises(RowError, match="step 0 of g/t/0 has no tokens"):
        training_rows([episode(tokens=False)], [1.0])


def test_success_is_counted_per_category() -> None:
    episodes = [
        episode(success=True),
        episode(),
        episode(category="cool", success=True),
        episode(category="cool", kind="failed"),
    ]
    assert success_rates(episodes) == {"cool": 1.0, "heat": 0.5}


def test_failures_take_turns_between_weak_categories_and_tasks() -> None:
    episodes = [
        *(episode("a", replica=i) for i in range(3)),
        episode("b"),
        *(episode("c", category="cool", replica=i, success=i > 0) for i in range(3)),
        episode("d", category="clean", success=True),
        episode("e", kind="failed"),
    ]
    chosen = select_failures(episodes, EvolutionSettings(floor=0.9, max_failures=4))
    # heat (0 %) is weaker than cool (67 %); clean is above the floor.
    assert [e.id for e in chosen] == ["g/a/0", "g/c/0", "g/b/0", "g/a/1"]


def test_the_limit_on_new_skills_does_not_stop_other_changes() -> None:
    cited = (Citation(trajectory_id="g/t/0"),)
    with SkillBank.in_memory() as bank:
        drafts = [
            SkillDraft(
                title=f"skill {n}",
                principle="p",
                when_to_apply="w",
                kind="general",
                provenance=Provenance(source="manual"),
            )
            for n in range(4)
        ]
        ids = [skill.id for skill in bank.add(drafts[:2])]
        proposals = [
            *(
                Proposal(action="retire", draft=None, targets=(i,), reason="bad", citations=cited)
                for i in ids
            ),
            *(Proposal(action="add", draft=d, reason="new", citations=cited) for d in drafts[2:]),
        ]
        settings = EvolutionSettings(max_new_skills=1)
        result = evolve_bank(bank, [episode()], settings, lambda f, c, n: proposals, key="k")
        assert [skill.title for skill in bank.skills()] == ["skill 2"]
    assert [(d.action, d.skill_id is not None) for d in result.decisions] == [
        ("retire", True),
        ("retire", True),
        ("add", True),
        ("add", False),
    ]


def test_a_strong_category_is_left_alone() -> None:
    asked: list[Sequence[Trajectory]] = []

    def propose(
        failures: Sequence[Trajectory], contrast: Sequence[Trajectory], most: int
    ) -> list[Proposal]:
        asked.append(failures)
        return []

    with SkillBank.in_memory() as bank:
        round_ = evolve_bank(
            bank,
            [episode(success=True), episode("b", success=True)],
            EvolutionSettings(floor=0.9),
            propose,
            key="k",
        )
    assert asked == []
    assert (round_.seen, round_.asked, round_.decisions, round_.revision) == (2, (), (), 0)


def test_a_round_applies_what_it_may_and_says_why_not_the_rest() -> None:
    def draft(title: str) -> SkillDraft:
        return SkillDraft(
            title=title,
            principle=f"{title} first",
            when_to_apply="always",
            kind="mistake",
            category="heat",
            provenance=Provenance(source="evolved", citations=(Citation(trajectory_id="g/t/0"),)),
        )

    def proposal(title: str, *citations: Citation) -> Proposal:
        return Proposal(action="add", draft=draft(title), reason="it failed", citations=citations)

    cited = Citation(trajectory_id="g/t/0", steps=(0,))
    proposals = [proposal("one", cited), proposal("two"), proposal("three", cited)]
    with SkillBank.in_memory() as bank:
        settings = EvolutionSettings(max_new_skills=2)
        result = evolve_bank(bank, [episode()], settings, lambda f, c, n: proposals, key="k")
        again = evolve_bank(bank, [episode()], settings, lambda f, c, n: proposals, key="k")
        titles = [skill.title for skill in bank.skills()]
    assert titles == ["one"]
    assert [decision.skill_id is not None for decision in result.decisions] == [True, False, False]
    assert "citation" in result.decisions[1].why
    assert result.decisions[2].why == "more than max_new_skills"
    assert result.asked == ("g/t/0",)
    assert again == result


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"every": -1}, "every and lag"),
        ({"floor": 1.5}, r"floor must be in \[0, 1\], got 1.5"),
        ({"max_new_skills": 0}, "max_new_skills"),
    ],
)
def test_evolution_settings_are_checked(settings: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        EvolutionSettings(**settings)  # type: ignore[arg-type]  # wrong on purpose


def test_rounds_come_every_so_often_and_never_before_the_first() -> None:
    settings = EvolutionSettings(every=4)
    assert [i for i in range(10) if settings.is_due(i)] == [4, 8]
    assert not any(EvolutionSettings(every=0).is_due(i) for i in range(10))


def test_the_core_imports_without_torch_or_a_teacher_client() -> None:
    code = (
        "import sys, skillrl_train.advantages, skillrl_train.rows, skillrl_train.evolution;"
        "print([m for m in ('torch', 'transformers', 'trl', 'litellm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
