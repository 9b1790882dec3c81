"""Makes small ALFWorld games: same rules, same words, no data needed.

A game is a pure function of (split, category, seed). Rooms have 6 to 12 receptacles, so
that a small agent can search one within a short horizon.
"""

import random
from dataclasses import dataclass
from functools import lru_cache

from skillrl_envs.alfworld.furniture import (
    CLEANABLE,
    COOLABLE,
    HEATABLE,
    ROOMS,
    SLICEABLE,
    Room,
    can_hold,
)
from skillrl_envs.alfworld.scene import Scene, build_scene
from skillrl_envs.errors import UnknownTaskError

CATEGORIES = (
    "pick_and_place_simple",
    "look_at_obj_in_light",
    "pick_clean_then_place_in_recep",
    "pick_heat_then_place_in_recep",
    "pick_cool_then_place_in_recep",
    "pick_two_obj_and_place",
)
"""ALFWorld's six task types, by the names the benchmark gives them."""

_SENTENCES = {
    "pick_and_place_simple": ("put a {thing} in {place}.", "put some {thing} on {place}."),
    "look_at_obj_in_light": (
        "look at {thing} under the {lamp}.",
        "examine the {thing} with the {lamp}.",
    ),
    "pick_clean_then_place_in_recep": (
        "put a clean {thing} in {place}.",
        "clean some {thing} and put it in {place}.",
    ),
    "pick_heat_then_place_in_recep": (
        "put a hot {thing} in {place}.",
        "heat some {thing} and put it in {place}.",
    ),
    "pick_cool_then_place_in_recep": (
        "put a cool {thing} in {place}.",
        "cool some {thing} and put it in {place}.",
    ),
    "pick_two_obj_and_place": (
        "put two {thing} in {place}.",
        "find two {thing} and put them in {place}.",
    ),
}
_STATE = {
    "pick_clean_then_place_in_recep": ("cleanable", "isClean", CLEANABLE, "SinkBasin"),
    "pick_heat_then_place_in_recep": ("heatable", "isHot", HEATABLE, "Microwave"),
    "pick_cool_then_place_in_recep": ("coolable", "isCool", COOLABLE, "Fridge"),
}
# The domain's actions name these types, so a problem must declare them.
_DOMAIN_RECEPTACLES = ("Sink", "SinkBasin", "Microwave", "Fridge")
_KNIVES = ("Knife", "ButterKnife")
_START = "loc_bar_99_bar_0_bar_0_bar_30"


@dataclass(frozen=True, slots=True)
class GeneratedProblem:
    """A generated game as ALFWorld's game files state it."""

    pddl: str
    """A problem of the domain `alfred`, as TextWorld also reads it."""
    instruction: str


@dataclass(frozen=True, slots=True)
class _Thing:
    id: str
    kind: str
    inside: str
    """The receptacle it lies in."""


@dataclass(frozen=True, slots=True)
class _House:
    receptacles: dict[str, str]
    """id -> kind"""
    openable: frozenset[str]
    things: tuple[_Thing, ...]


@dataclass(frozen=True, slots=True)
class _Aim:
    thing: str
    place: str
    """A receptacle kind; the lamp's kind for look_at_obj_in_light."""


@lru_cache(maxsize=1024)
def generate_scene(split: str, category: str, seed: int) -> Scene:
    """Return the game of that name.

    Raises:
        UnknownTaskError: no such category.
    """
    problem = generate_problem(split, category, seed)
    return build_scene(problem.pddl, problem.instruction)


def generate_problem(split: str, category: str, seed: int) -> GeneratedProblem:
    """Return the game of that name as PDDL.

    Raises:
        UnknownTaskError: no such category.
    """
    if category not in CATEGORIES:
        raise UnknownTaskError(f"no task type {category!r}; there are {', '.join(CATEGORIES)}")
    rng = random.Random(f"skillrl-house-1/{split}/{category}/{seed}")
    while True:  # a draw without a fitting object or place is drawn again
        house = _furnish(rng, category)
        aim = _choose_aim(rng, category, house)
        if aim is not None:
            return GeneratedProblem(_problem(category, house, aim), _sentence(rng, category, aim))


def _furnish(rng: random.Random, category: str) -> _House:
    room = ROOMS[_room_name(rng, category)]
    receptacles: dict[str, str] = {}
    openable = set()
    for piece in room.furniture:
        for _ in range(rng.randint(piece.least, piece.most)):
            identity = _identity(rng, piece.kind)
            receptacles[identity] = piece.kind
            if piece.openable:
                openable.add(identity)
    things = [_Thing(*found) for found in _scatter(rng, room, receptacles)]
    if category == "look_at_obj_in_light":
        stands = [r for r, kind in receptacles.items() if kind in {"Desk", "SideTable", "Dresser"}]
        lamp = rng.choice(room.lamps)
        things.append(_Thing(_identity(rng, lamp), lamp, rng.choice(stands)))
    return _House(receptacles, frozenset(openable), tuple(things))


def _room_name(rng: random.Random, category: str) -> str:
    if category == "look_at_obj_in_light":
        return rng.choice(["bedroom", "living room"])
    if category == "pick_clean_then_place_in_recep":
        return rng.choice(["kitchen", "bathroom"])
    if category in _STATE:
        return "kitchen"
    return rng.choice(sorted(ROOMS))


def _scatter(
    rng: random.Random, room: Room, receptacles: dict[str, str]
) -> list[tuple[str, str, str]]:
    found = []
    for kind in room.objects:
        places = [r for r, holder in receptacles.items() if can_hold(holder, kind)]
        for _ in range(rng.choice([0, 0, 1, 1, 2])):
            found.append((_identity(rng, kind), kind, rng.choice(places)))
    return found


def _choose_aim(rng: random.Random, category: str, house: _House) -> _Aim | None:
    lamps = [t.kind for t in house.things if t.kind.endswith("Lamp")]
    able = _STATE[category][2] if category in _STATE else None
    kinds = sorted({t.kind for t in house.things if able is None or t.kind in able} - set(lamps))
    if not kinds:
        return None
    thing = rng.choice(kinds)
    mine = [t for t in house.things if t.kind == thing]
    if category == "look_at_obj_in_light":
        return _Aim(thing, lamps[0])
    avoid = _STATE[category][3] if category in _STATE else None
    places = sorted({k for k in house.receptacles.values() if can_hold(k, thing) and k != avoid})
    place = rng.choice(places) if places else None
    if place is None or len(mine) < (2 if category == "pick_two_obj_and_place" else 1):
        return None
    already = any(house.receptacles[t.inside] == place for t in mine)
    return None if already else _Aim(thing, place)


def _identity(rng: random.Random, kind: str) -> str:
    # The form of AI2-THOR's ids; display names are derived from it.
    spots = "_bar_".join(
        f"_{rng.choice(['plus', 'minus'])}_{rng.randint(0, 4):02d}_dot_{rng.randint(0, 99):02d}"
        for _ in range(3)
    )
    stem = kind.removesuffix("Basin")
    return f"{stem}_bar_{spots}" + (f"_bar_{kind}" if stem != kind else "")


def _sentence(rng: random.Random, category: str, aim: _Aim) -> str:
    place = aim.place.lower()
    return rng.choice(_SENTENCES[category]).format(thing=aim.thing.lower(), place=place, lamp=place)


def _problem(category: str, house: _House, aim: _Aim) -> str:
    return (
        f"(define (problem {category})\n(:domain alfred)\n(:objects\n"
        + "\n".join(_objects(house))
        + "\n)\n(:init\n"
        + "\n".join(f"({fact})" for fact in _facts(house))
        + f"\n)\n(:goal {_goal(category, aim)})\n)"
    )


def _objects(house: _House) -> list[str]:
    """Declare everything that the problem or the domain's actions speak of."""
    types = {f"{kind}Type": "rtype" for kind in (*house.receptacles.values(), *_DOMAIN_RECEPTACLES)}
    types |= {f"{kind}Type": "otype" for kind in (*(t.kind for t in house.things), *_KNIVES)}
    return [
        "agent1 - agent",
        *(f"{name} - {kind}" for name, kind in sorted(types.items())),
        *(f"{receptacle} - receptacle" for receptacle in house.receptacles),
        *(f"{thing.id} - object" for thing in house.things),
        *(f"{location} - location" for location in (_START, *_locations(house).values())),
    ]


def _locations(house: _House) -> dict[str, str]:
    return {r: f"loc_bar_{i}_bar_0_bar_0_bar_30" for i, r in enumerate(house.receptacles)}


def _facts(house: _House) -> list[str]:
    location = _locations(house)
    facts = [f"atLocation agent1 {_START}"]
    for receptacle, kind in house.receptacles.items():
        facts.append(f"receptacleType {receptacle} {kind}Type")
        facts.append(f"receptacleAtLocation {receptacle} {location[receptacle]}")
    facts += [f"openable {receptacle}" for receptacle in sorted(house.openable)]
    for thing in house.things:
        facts.append(f"objectType {thing.id} {thing.kind}Type")
        facts.append(f"inReceptacle {thing.id} {thing.inside}")
        facts.append(f"objectAtLocation {thing.id} {location[thing.inside]}")
        facts += [f"{ability} {thing.id}" for ability in _abilities(thing.kind)]
    for outer in sorted(set(house.receptacles.values())):
        for inner in sorted({t.kind for t in house.things if not t.kind.endswith("Lamp")}):
            if can_hold(outer, inner):
                facts.append(f"canContain {outer}Type {inner}Type")
    return facts


def _abilities(kind: str) -> list[str]:
    if kind.endswith("Lamp"):
        return ["toggleable"]
    able = {
        "cleanable": CLEANABLE,
        "heatable": HEATABLE,
        "coolable": COOLABLE,
        "sliceable": SLICEABLE,
    }
    return ["pickupable", *(name for name, kinds in able.items() if kind in kinds)]


def _goal(category: str, aim: _Aim) -> str:
    if category == "look_at_obj_in_light":
        return (
            "(and (exists (?ot - object ?r - receptacle ?a - agent ?l - location) (and "
            f"(objectType ?ot {aim.place}Type) (toggleable ?ot) (isToggled ?ot) "
            "(receptacleAtLocation ?r ?l) (atLocation ?a ?l) (inReceptacle ?ot ?r))) "
            "(exists (?o - object ?a - agent) (and "
            f"(objectType ?o {aim.thing}Type) (holds ?a ?o))))"
        )
    if category == "pick_two_obj_and_place":
        both = (
            "(objectType ?o{n} {thing}Type) (receptacleType ?r {place}Type) (inReceptacle ?o{n} ?r)"
        )
        one, two = (both.format(n=n, thing=aim.thing, place=aim.place) for n in (1, 2))
        return (
            f"(and (exists (?r - receptacle) (exists (?o1 - object) (and {one} "
            f"(exists (?o2 - object) (and (not (= ?o1 ?o2)) {two}))))))"
        )
    ability, state = _STATE[category][:2] if category in _STATE else ("", "")
    needs = f"({ability} ?o) ({state} ?o) " if state else ""
    return (
        f"(and (exists (?r - receptacle) (exists (?o - object) (and {needs}(inReceptacle ?o ?r) "
        f"(objectType ?o {aim.thing}Type) (receptacleType ?r {aim.place}Type)))))"
    )
