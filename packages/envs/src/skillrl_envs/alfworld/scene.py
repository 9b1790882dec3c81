"""Scene: the immutable starting point of a game, read once and shared by all its episodes."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from skillrl_envs.alfworld.goal import Goal, recognise_goal
from skillrl_envs.alfworld.pddl import Fact, parse_problem
from skillrl_envs.errors import GameFileError

# Facts about one thing that the game rules read; all others are scenery.
PROPERTIES = (
    "pickupable", "isreceptacleobject", "openable", "opened", "cleanable", "heatable", "coolable",
    "toggleable", "sliceable", "isclean", "ishot", "iscool", "istoggled", "issliced",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """Where everything is and what it can do when the episode starts.

    Things are named by their PDDL ids; `names` has what the player reads.
    """

    instruction: str
    goal: Goal
    walkthrough: tuple[str, ...]
    """The game file's own solution; empty when it has none."""
    names: Mapping[str, str]
    start: str
    """The player's location."""
    receptacles: tuple[str, ...]
    """Sorted by id, which is the order in which the game lists them."""
    locations: Mapping[str, frozenset[str]]
    """Receptacle -> where the player can stand to use it."""
    receptacles_at: Mapping[str, tuple[str, ...]]
    """Location -> receptacles within reach there, sorted."""
    receptacle_types: Mapping[str, frozenset[str]]
    object_types: Mapping[str, frozenset[str]]
    can_contain: frozenset[tuple[str, str]]
    """(receptacle type, object type) pairs."""
    contents: Mapping[str, frozenset[str]]
    """Receptacle -> objects in or on it."""
    inside_objects: Mapping[str, tuple[str, ...]]
    """Object that holds others (a bowl, say) -> those others, sorted."""
    object_locations: frozenset[tuple[str, str]]
    held: frozenset[str]
    having: Mapping[str, frozenset[str]]
    """Property name (see PROPERTIES) -> the things that have it."""


def build_scene(problem: str, instruction: str, walkthrough: Sequence[str] = ()) -> Scene:
    """Read a game's PDDL problem.

    Raises:
        GameFileError: not a problem of the ALFWorld domain.
    """
    parsed = parse_problem(problem)
    facts: dict[str, list[Fact]] = defaultdict(list)
    for fact in parsed.facts:
        facts[fact[0]].append(fact[1:])
    try:
        start = facts["atlocation"][0][1]
        locations = _grouped(facts["receptacleatlocation"])
    except IndexError:
        raise GameFileError("the PDDL problem does not say where the agent is") from None
    if not locations:
        raise GameFileError("the PDDL problem has no receptacle")
    receptacles_at: dict[str, list[str]] = defaultdict(list)
    for receptacle in sorted(locations):
        for location in locations[receptacle]:
            receptacles_at[location].append(receptacle)
    return Scene(
        instruction=instruction,
        goal=recognise_goal(parsed.goal),
        walkthrough=tuple(walkthrough),
        names=display_names({word for fact in parsed.facts for word in fact[1:]}),
        start=start,
        receptacles=tuple(sorted(locations)),
        locations=locations,
        receptacles_at={place: tuple(found) for place, found in receptacles_at.items()},
        receptacle_types=_grouped(facts["receptacletype"]),
        object_types=_grouped(facts["objecttype"]),
        can_contain=frozenset((a, b) for a, b in facts["cancontain"]),
        contents=_grouped((r, o) for o, r in facts["inreceptacle"]),
        inside_objects={
            outer: tuple(sorted(inner))
            for outer, inner in _grouped((b, a) for a, b in facts["inreceptacleobject"]).items()
        },
        object_locations=frozenset((o, place) for o, place in facts["objectatlocation"]),
        held=frozenset(fact[1] for fact in facts["holds"]),
        having={name: frozenset(fact[0] for fact in facts[name]) for name in PROPERTIES},
    )


def display_names(ids: Iterable[str]) -> dict[str, str]:
    """Name things "mug 2" as ALFWorld does: per kind, numbers fall in sorted id order."""
    ordered = sorted(identity for identity in ids if "_bar_" in identity)
    kinds = {
        identity: identity.split("_bar_", 1)[0] + ("basin" if "basin" in identity else "")
        for identity in ordered
    }
    left = Counter(kinds.values())
    names = {}
    for identity in ordered:
        kind = kinds[identity]
        names[identity] = f"{kind} {left[kind]}"
        left[kind] -= 1
    return names


def _grouped(pairs: Iterable[Sequence[str]]) -> dict[str, frozenset[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for key, value in pairs:
        groups[key].add(value)
    return {key: frozenset(values) for key, values in groups.items()}


_TASK_SENTENCE = re.compile(r'Your task is to: (.*?)"')


def task_sentence(grammar: str) -> str:
    """Return the task sentence that a game file's grammar states.

    Raises:
        GameFileError: the grammar has none.
    """
    found = _TASK_SENTENCE.search(grammar)
    if found is None:
        raise GameFileError("the grammar states no task ('Your task is to: ...')")
    return found.group(1)
