"""The goals that ALFWorld games have, recognised from their PDDL.

Every official game has one of two shapes: something in a certain state lies in a
receptacle (or two of them in the same one), or something is held where a lamp is lit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from skillrl_envs.alfworld.pddl import Expression
from skillrl_envs.errors import GameFileError

_STATES = frozenset({"isclean", "ishot", "iscool"})
_ABILITIES = frozenset({"cleanable", "heatable", "coolable"})
_PLACE = _STATES | _ABILITIES | {"inreceptacle", "objecttype", "receptacletype", "not"}
_LOOK = frozenset(
    {
        "objecttype",
        "toggleable",
        "istoggled",
        "receptacleatlocation",
        "atlocation",
        "inreceptacle",
        "holds",
    }
)


@dataclass(frozen=True, slots=True)
class PlaceGoal:
    """`count` objects of a type, all in `states`, together in one receptacle of a type."""

    object_type: str
    receptacle_type: str
    states: frozenset[str]
    abilities: frozenset[str]
    count: int


@dataclass(frozen=True, slots=True)
class LookGoal:
    """An object of a type is held where a lit lamp of a type stands."""

    object_type: str
    lamp_type: str


Goal = PlaceGoal | LookGoal


def recognise_goal(expression: Expression) -> Goal:
    """Return which goal a PDDL formula states; raises GameFileError for any other formula."""
    atoms = list(_atoms(expression))
    names = {atom[0] for atom in atoms}
    if "istoggled" in names and names <= _LOOK:
        return _look_goal(atoms)
    if "inreceptacle" in names and names <= _PLACE:
        return _place_goal(atoms)
    raise GameFileError(f"unknown goal: it speaks of {', '.join(sorted(names)) or 'nothing'}")


def _place_goal(atoms: list[list[str]]) -> PlaceGoal:
    object_types = {atom[2] for atom in atoms if atom[0] == "objecttype"}
    receptacle_types = {atom[2] for atom in atoms if atom[0] == "receptacletype"}
    if len(object_types) != 1 or len(receptacle_types) != 1:
        raise GameFileError(
            f"unknown goal: objects {sorted(object_types)} in {sorted(receptacle_types)}, "
            "expected one type of each"
        )
    names = frozenset(atom[0] for atom in atoms)
    return PlaceGoal(
        object_types.pop(),
        receptacle_types.pop(),
        names & _STATES,
        names & _ABILITIES,
        count=2 if "not" in names else 1,
    )


def _look_goal(atoms: list[list[str]]) -> LookGoal:
    types = {atom[1]: atom[2] for atom in atoms if atom[0] == "objecttype"}
    lit = [types.get(atom[1]) for atom in atoms if atom[0] == "istoggled"]
    held = [types.get(atom[2]) for atom in atoms if atom[0] == "holds"]
    if len(lit) != 1 or len(held) != 1 or lit[0] is None or held[0] is None:
        raise GameFileError("unknown goal: expected one lit lamp and one held object, each typed")
    return LookGoal(object_type=held[0], lamp_type=lit[0])


def _atoms(expression: Expression) -> Iterator[list[str]]:
    match expression:
        case ["and", *parts]:
            for part in parts:
                yield from _atoms(part)
        case ["exists", _, body]:
            yield from _atoms(body)
        case ["not", ["=", str(), str()]]:
            yield ["not"]
        case [str() as name, *arguments]:
            words = [word for word in arguments if isinstance(word, str)]
            if len(words) != len(arguments):
                raise GameFileError(f"unknown goal: {name!r} is not a plain fact")
            yield [name, *words]
        case _:
            raise GameFileError(f"unknown goal expression {expression!r:.80}")
