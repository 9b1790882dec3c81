from collections.abc import Callable

import pytest

from skillrl_distiller.abstraction import task_names, words
from skillrl_distiller.errors import PromptError
from skillrl_distiller.prompts import load_prompt
from skillrl_distiller.sampling import round_robin, stratify
from skillrl_distiller.signals import (
    fruitless_repeats,
    invalid_steps,
    last_progress,
    point_of_failure,
    wasted_steps,
)
from skillrl_envs.trajectory import Trajectory

MakeEpisode = Callable[..., Trajectory]


def test_progress_ends_with_the_last_unseen_observation(episode: MakeEpisode) -> None:
    play = [("go", "a hall"), ("look", "A  hall"), ("go", "You are in a room."), ("go", "a hall")]
    stuck = episode("g", "find it", play, success=False)
    assert last_progress(stuck) == 0
    assert wasted_steps(stuck) == 3
    assert point_of_failure(stuck) == 1


def test_without_a_dead_end_the_last_step_is_the_point_of_failure(episode: MakeEpisode) -> None:
    walk = episode("g", "find it", [("go", "a"), ("go", "b")], success=False)
    assert point_of_failure(walk) == 1


def test_repeat_is_the_same_action_and_result_in_the_same_situation(episode: MakeEpisode) -> None:
    # Step 0 goes from the room to the hall; 1 to 3 look in the hall, each seeing the hall.
    play = [("go", "hall"), ("look", "hall"), ("look", "hall"), ("look", "hall"), ("go", "attic")]
    assert fruitless_repeats(episode("g", "t", play, success=False)) == (2, 3)


def test_invalid_steps_are_found(episode: MakeEpisode) -> None:
    assert invalid_steps(episode("g", "t", [("a", "x"), ("b", "?")], success=False)) == (1,)


def test_episode_without_steps_has_no_point_of_failure(episode: MakeEpisode) -> None:
    with pytest.raises(ValueError, match="has no steps"):
        point_of_failure(episode("g", "t", [], success=False))


def test_sample_is_stratified_bounded_and_independent_of_order(episode: MakeEpisode) -> None:
    episodes = [
        episode(f"{category}-{n}", "t", [("a", "b")], success=n % 2 == 0, category=category)
        for category in ("b", "a")
        for n in range(10)
    ]
    strata = stratify(episodes, seed=3, limit=2)
    assert [s.category for s in strata] == ["a", "b"]
    assert [(len(s.successes), len(s.failures)) for s in strata] == [(2, 2), (2, 2)]
    assert stratify(episodes[::-1], seed=3, limit=2) == strata
    samples = {
        tuple(e.id for e in stratify(episodes, seed=s, limit=2)[0].failures) for s in range(9)
    }
    assert len(samples) > 1


def test_round_robin_takes_turns() -> None:
    assert round_robin([["a", "b", "c"], [], ["x"]]) == ["a", "x", "b", "c"]


def test_numbers_and_punctuation_are_no_words() -> None:
    assert words("Click[Buy Now] 12 b07x") == ("click", "buy", "now", "b07x")


def test_names_are_the_words_that_actions_take_from_the_task(households: list[Trajectory]) -> None:
    # "heat" stands in half of the instructions, but every success heats.
    assert task_names(households) == {"mug", "apple", "potato", "shelf", "desk", "bed"}


@pytest.mark.parametrize("version", ["success.v1", "failure.v1", "general.v1", "evolve.v1"])
def test_every_prompt_has_a_system_and_a_user_part(version: str) -> None:
    prompt = load_prompt(version)
    assert "$schema" in prompt.system
    assert "$main" not in prompt.system
    assert "$main" in prompt.user
    assert "$contrast" in prompt.user


def test_inserted_text_is_not_expanded_again() -> None:
    names = ("schema", "max_items", "category", "contrast")
    values = dict.fromkeys(names, "x")
    _, user = load_prompt("success.v1").render(main="$schema ${max_items}", **values)
    assert "$schema ${max_items}" in user.content


def test_unknown_prompt_lists_what_there_is() -> None:
    with pytest.raises(PromptError, match=r"shipped: evolve\.v1, failure\.v1"):
        load_prompt("success.v99")
