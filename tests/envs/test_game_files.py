"""What is read from a game file, and which files are refused."""

import json
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillrl_envs.alfworld.env import load_scene
from skillrl_envs.alfworld.generator import generate_problem
from skillrl_envs.alfworld.pddl import Expression, parse_problem
from skillrl_envs.errors import GameFileError

_WORDS = st.text("abc?_-:=", min_size=1, max_size=4)
_SPACE = st.sampled_from(["", " ", "\n  ", "\t; a comment with ) and (\n"])
_EXPRESSIONS = st.recursive(_WORDS, lambda inner: st.lists(inner, max_size=5), max_leaves=30)


def written(expression: object, space: str) -> str:
    if isinstance(expression, str):
        return f" {expression}{space}"
    assert isinstance(expression, list)
    return f"{space}({''.join(written(part, space) for part in expression)}){space}"


def as_lists(expression: Expression) -> object:
    return expression if isinstance(expression, str) else [as_lists(part) for part in expression]


@given(_EXPRESSIONS, _SPACE)
def test_what_is_written_is_read_back(expression: object, space: str) -> None:
    problem = f"(define (problem p) (:init (a b)) (:goal {written(expression, space)}))"
    assert as_lists(parse_problem(problem).goal) == expression


@given(st.text("()ab; \n", max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(GameFileError):
        parse_problem(f"(define {text} (:init (a b)) (:goal (x)))")


def test_facts_keep_their_order_and_lose_what_is_numeric() -> None:
    problem = parse_problem(
        "(define (:init (Holds A b) (= (distance a b) 5) (= total-cost 0) () (opened c))"
        " (:goal (won)))"
    )
    assert problem.facts == (("holds", "a", "b"), ("opened", "c"))


@pytest.mark.parametrize("depth", [60, 100_000])
def test_a_problem_too_deep_for_the_stack_is_refused(depth: int) -> None:
    goal = "(and " * depth + "(x)" + ")" * depth
    with pytest.raises(GameFileError, match="deeper than 50"):
        parse_problem(f"(define (:init (a b)) (:goal {goal}))")


@pytest.mark.parametrize(
    "content",
    [
        "[" * 200_000,
        '{"pddl_problem": "(define',
        json.dumps({"pddl_problem": "(define)", "grammar": 5}),
        json.dumps({"pddl_problem": "(define", "grammar": 'Your task is to: go."'}),
        json.dumps({"pddl_problem": "(define)", "grammar": "no task"}),
        "\x00\xff",
    ],
)
def test_a_file_that_is_no_game_is_refused_by_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "game.tw-pddl"
    file.write_text(content, encoding="latin-1")
    with pytest.raises(GameFileError, match=r"game\.tw-pddl"):
        load_scene(file)


def test_a_generated_problem_declares_all_that_it_speaks_of() -> None:
    # TextWorld's planner refuses a problem with an undeclared name.
    pddl = generate_problem("train", "pick_clean_then_place_in_recep", 3).pddl
    objects = pddl.partition("(:objects")[2].partition(")")[0].lower().split()
    declared = {name for name, dash in pairwise(objects) if dash == "-"}
    spoken = {word for fact in parse_problem(pddl).facts for word in fact[1:]}
    assert spoken <= declared
    assert {"sinkbasintype", "microwavetype", "fridgetype", "knifetype"} <= declared
