import random
from pathlib import Path

import pytest

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.env import load_scene
from skillrl_envs.alfworld.generator import CATEGORIES, generate_scene
from skillrl_envs.alfworld.goal import LookGoal, PlaceGoal, recognise_goal
from skillrl_envs.alfworld.pddl import parse_problem
from skillrl_envs.alfworld.scene import build_scene, display_names
from skillrl_envs.alfworld.wording import object_state
from skillrl_envs.errors import GameFileError

# A room worked out by hand: a mug on a closed-off shelf of a cabinet, and a table.
PROBLEM = """
(define (problem tiny) (:domain alfred) (:init
  (atLocation agent1 start)
  (receptacleType Cabinet_bar__1 CabinetType) (receptacleAtLocation Cabinet_bar__1 here)
  (openable Cabinet_bar__1)
  (receptacleType DiningTable_bar__1 DiningTableType)
  (receptacleAtLocation DiningTable_bar__1 there)
  (receptacleType Sink_bar__9_bar_SinkBasin SinkBasinType)
  (receptacleAtLocation Sink_bar__9_bar_SinkBasin there)
  (objectType Mug_bar__1 MugType) (inReceptacle Mug_bar__1 Cabinet_bar__1)
  (objectAtLocation Mug_bar__1 here) (pickupable Mug_bar__1) (cleanable Mug_bar__1)
  (canContain DiningTableType MugType) (canContain CabinetType MugType)
) (:goal (and (exists (?r - receptacle) (exists (?o - object) (and (cleanable ?o) (isClean ?o)
  (inReceptacle ?o ?r) (objectType ?o MugType) (receptacleType ?r DiningTableType)))))))
"""


def play(game: Game, *actions: str) -> list[str]:
    return [game.step(action) for action in actions]


def test_a_whole_episode_reads_as_alfworld_writes_it() -> None:
    game = Game(build_scene(PROBLEM, "put a clean mug in diningtable."))
    assert game.reset() == (
        "-= Welcome to TextWorld, ALFRED! =-\n\n"
        "You are in the middle of a room. Looking quickly around you, you see a cabinet 1, "
        "a diningtable 1, and a sinkbasin 1.\n\n"
        "Your task is to: put a clean mug in diningtable."
    )
    assert play(
        game,
        "go to cabinet 1",
        "open cabinet 1",
        "take mug 1 from cabinet 1",
        "inventory",
        "go to diningtable 1",
        "clean mug 1 with sinkbasin 1",
        "examine mug 1",
    ) == [
        "You arrive at cabinet 1. The cabinet 1 is closed.",
        "You open the cabinet 1. The cabinet 1 is open. In it, you see a mug 1.",
        "You pick up the mug 1 from the cabinet 1.",
        "You are carrying: a mug 1.",
        "You arrive at diningtable 1. On the diningtable 1, you see nothing.",
        "You clean the mug 1 using the sinkbasin 1.",
        "This is a clean mug 1.",
    ]
    assert not game.won
    assert play(game, "move mug 1 to diningtable 1") == ["You move the mug 1 to the diningtable 1."]
    assert game.won


def test_an_inadmissible_command_changes_nothing() -> None:
    game = Game(build_scene(PROBLEM, "x"))
    before = game.admissible
    assert game.step("take mug 1 from cabinet 1") == "Nothing happens."
    assert game.step("fly") == "Nothing happens."
    assert game.admissible == before


def test_the_current_location_is_not_offered_and_shared_ones_neither() -> None:
    game = Game(build_scene(PROBLEM, "x"))
    game.step("go to diningtable 1")
    # The sink stands at the same location as the table.
    assert [a for a in game.admissible if a.startswith("go to")] == ["go to cabinet 1"]
    assert "examine sinkbasin 1" in game.admissible


def test_looking_around_in_mid_room_shows_nothing() -> None:
    game = Game(build_scene(PROBLEM, "x"))
    assert game.step("look").endswith("Looking quickly around you, you see nothing.")


def test_episodes_of_one_scene_do_not_touch_each_other() -> None:
    scene = build_scene(PROBLEM, "x")
    first, second = Game(scene), Game(scene)
    play(first, "go to cabinet 1", "open cabinet 1", "take mug 1 from cabinet 1")
    assert second.step("go to cabinet 1") == "You arrive at cabinet 1. The cabinet 1 is closed."
    first.reset()
    assert first.step("inventory") == "You are not carrying anything."


def test_numbers_of_names_fall_in_sorted_id_order() -> None:
    names = display_names(["Mug_bar__a", "Mug_bar__b", "agent1"])
    assert names == {
        "Mug_bar__a": "Mug 2",
        "Mug_bar__b": "Mug 1",
    }
    assert display_names(["sink_bar_1_bar_sinkbasin"]) == {
        "sink_bar_1_bar_sinkbasin": "sinkbasin 1"
    }


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ({"cool"}, "This is a cold mug 1."),
        ({"cool", "clean"}, "This is a cool and clean mug 1."),
        ({"hot", "sliced"}, "This is a hot sliced mug 1."),
        ({"sliced", "lit"}, "This mug 1 is on."),
        ({"clean", "lit"}, "This is a clean mug 1."),
        (set(), "There's nothing special about mug 1."),
    ],
)
def test_held_objects_are_described_by_their_states(states: set[str], text: str) -> None:
    flags = {name: name in states for name in ("clean", "hot", "cool", "sliced", "lit")}
    assert object_state("mug 1", **flags) == text


def test_goals_of_official_shape_are_recognised() -> None:
    two = """(define (problem p) (:init (a b)) (:goal (and (exists (?r - receptacle)
      (exists (?o1 - object) (and (objectType ?o1 MugType) (receptacleType ?r ShelfType)
      (inReceptacle ?o1 ?r) (exists (?o2 - object) (and (not (= ?o1 ?o2)) (objectType ?o2 MugType)
      (receptacleType ?r ShelfType) (inReceptacle ?o2 ?r)))))))))"""
    goal = recognise_goal(parse_problem(two).goal)
    assert goal == PlaceGoal("mugtype", "shelftype", frozenset(), frozenset(), 2)
    lamp = """(define (problem p) (:init (a b)) (:goal (and (exists (?ot - object ?r - receptacle
      ?a - agent ?l - location) (and (objectType ?ot DeskLampType) (toggleable ?ot) (isToggled ?ot)
      (receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r)))
      (exists (?o - object ?a - agent) (and (objectType ?o BookType) (holds ?a ?o))))))"""
    assert recognise_goal(parse_problem(lamp).goal) == LookGoal("booktype", "desklamptype")


@pytest.mark.parametrize(
    ("problem", "complaint"),
    [
        ("(define (problem p) (:init (a b)))", "no :goal"),
        ("(define (problem p) (:init (a b)) (:goal (x y))", "balanced"),
        ("(define (problem p) (:init (a b))) )", "never opened"),
        ("(define (problem p) (:init (atLocation a l)) (:goal (flies ?o)))", "no receptacle"),
        ("(define (problem p) (:init) (:goal (flies ?o)))", "where the agent is"),
    ],
)
def test_what_is_no_game_is_refused_with_the_reason(problem: str, complaint: str) -> None:
    with pytest.raises(GameFileError, match=complaint):
        build_scene(problem, "x")


@pytest.mark.parametrize("category", CATEGORIES)
def test_a_generated_game_is_the_same_every_time(category: str) -> None:
    assert generate_scene("train", category, 7) == generate_scene("train", category, 7)
    assert generate_scene("train", category, 7) != generate_scene("train", category, 8)
    assert generate_scene("train", category, 7) != generate_scene("test", category, 7)


@pytest.mark.data
def test_every_official_walkthrough_wins(alfworld_data: Path) -> None:
    games = sorted((alfworld_data / "json_2.1.1").glob("*/*/*/game.tw-pddl"))
    assert len(games) == 3553 + 140 + 200
    # One in seven here; all of them in benchmarks/alfworld/engine.py.
    for path in games[::7]:
        scene = load_scene(path)
        game = Game(scene)
        answers = play(game, *scene.walkthrough)
        assert "Nothing happens." not in answers, path
        assert game.won, path


@pytest.mark.data
def test_random_play_never_breaks_an_official_game(alfworld_data: Path) -> None:
    rng = random.Random(5)
    games = sorted((alfworld_data / "json_2.1.1" / "valid_seen").glob("*/*/game.tw-pddl"))
    for path in rng.sample(games, 25):
        game = Game(load_scene(path))
        for _ in range(60):
            command = rng.choice(game.admissible)
            assert game.step(command) != "Nothing happens.", (path, command)
