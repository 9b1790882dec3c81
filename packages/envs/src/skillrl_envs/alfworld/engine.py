"""The rules of the ALFWorld text game, quirk for quirk.

Quirks that are kept because agents are compared on them: objects can be examined only
while held; the current location is never offered as a destination; looking around in
mid-room after the start shows nothing; heating, cooling and cleaning need no open door;
every toggle reads "turn on".
"""

from collections.abc import Callable
from operator import itemgetter

from skillrl_envs.alfworld import wording
from skillrl_envs.alfworld.goal import LookGoal, PlaceGoal
from skillrl_envs.alfworld.scene import Scene

Command = tuple[str, ...]
"""A verb and the ids it applies to."""

_APPLIANCES = (
    ("clean", "sinkbasintype", "cleanable"),
    ("heat", "microwavetype", "heatable"),
    ("cool", "fridgetype", "coolable"),
)
_KNIVES = frozenset({"knifetype", "butterknifetype"})


class Game:
    """One episode in a scene. Start it with `reset`."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._verbs: dict[str, Callable[..., str]] = {
            "look": self._look, "inventory": self._inventory, "help": self._help, "go": self._go,
            "open": self._open, "close": self._close, "take": self._take, "move": self._move,
            "use": self._use, "clean": self._clean, "heat": self._heat, "cool": self._cool,
            "slice": self._slice, "examine receptacle": self._look_into,
            "examine object": self._inspect,
        }  # fmt: skip
        self.reset()

    def reset(self) -> str:
        """Put everything back to the start and return the first observation."""
        scene = self.scene
        self._location = scene.start
        self._held = set(scene.held)
        self._contents = {r: set(scene.contents.get(r, ())) for r in scene.receptacles}
        self._object_locations = set(scene.object_locations)
        self._taken_from: set[tuple[str, str]] = set()
        self._opened = set(scene.having["opened"])
        self._clean_things = set(scene.having["isclean"])
        self._hot = set(scene.having["ishot"])
        self._cold = set(scene.having["iscool"])
        self._lit = set(scene.having["istoggled"])
        self._sliced = set(scene.having["issliced"])
        self._commands = self._find_commands()
        here = scene.receptacles_at.get(self._location)
        view = self._facing() if here else wording.room([scene.names[r] for r in scene.receptacles])
        return wording.opening(view, scene.instruction)

    @property
    def admissible(self) -> tuple[str, ...]:
        """Every command that would do something now, sorted."""
        return tuple(sorted(self._commands))

    @property
    def won(self) -> bool:
        """Whether the goal holds now."""
        goal = self.scene.goal
        return self._looks(goal) if isinstance(goal, LookGoal) else self._is_placed(goal)

    def step(self, text: str) -> str:
        """Do a command and return the feedback; an unknown one changes nothing."""
        command = self._commands.get(text.strip())
        if command is None:
            return wording.NOTHING_HAPPENS
        feedback = self._verbs[command[0]](*command[1:])
        if command[0] not in {"look", "inventory", "help", "examine receptacle", "examine object"}:
            self._commands = self._find_commands()
        return feedback

    # --- which commands there are -------------------------------------------------

    def _find_commands(self) -> dict[str, Command]:
        scene, names = self.scene, self.scene.names
        found: dict[str, Command] = {
            "look": ("look",), "inventory": ("inventory",), "help": ("help",),
        }  # fmt: skip
        only_here = {self._location}
        for receptacle in scene.receptacles:
            if scene.locations[receptacle] != only_here:
                found[f"go to {names[receptacle]}"] = ("go", receptacle)
        here = scene.receptacles_at.get(self._location, ())
        for receptacle in here:
            self._offer_receptacle(receptacle, found)
        for thing in self._held:
            found[f"examine {names[thing]}"] = ("examine object", thing)
            for receptacle in here:
                self._offer_held(thing, receptacle, found)
            if scene.object_types.get(thing, frozenset()) & _KNIVES:
                self._offer_slicing(thing, found)
        return found

    def _offer_receptacle(self, receptacle: str, found: dict[str, Command]) -> None:
        scene, names = self.scene, self.scene.names
        name = names[receptacle]
        found[f"examine {name}"] = ("examine receptacle", receptacle)
        if receptacle in scene.having["openable"]:
            verb = "close" if receptacle in self._opened else "open"
            found[f"{verb} {name}"] = (verb, receptacle)
        reachable = self._is_accessible(receptacle) and not self._held
        for thing in self._contents[receptacle]:
            if reachable and thing in scene.having["pickupable"]:
                found[f"take {names[thing]} from {name}"] = ("take", thing, receptacle)
            if thing in scene.having["toggleable"]:
                found[f"use {names[thing]}"] = ("use", thing)

    def _offer_held(self, thing: str, receptacle: str, found: dict[str, Command]) -> None:
        scene, names = self.scene, self.scene.names
        types = scene.receptacle_types.get(receptacle, frozenset())
        if self._is_accessible(receptacle) and any(
            (outer, inner) in scene.can_contain
            for outer in types
            for inner in scene.object_types.get(thing, ())
        ):
            found[f"move {names[thing]} to {names[receptacle]}"] = ("move", thing, receptacle)
        for verb, appliance, ability in _APPLIANCES:
            if appliance in types and thing in scene.having[ability]:
                found[f"{verb} {names[thing]} with {names[receptacle]}"] = (verb, thing, receptacle)

    def _offer_slicing(self, knife: str, found: dict[str, Command]) -> None:
        names = self.scene.names
        for thing, location in self._object_locations:
            if location == self._location and thing in self.scene.having["sliceable"]:
                found[f"slice {names[thing]} with {names[knife]}"] = ("slice", thing, knife)

    def _is_accessible(self, receptacle: str) -> bool:
        return receptacle not in self.scene.having["openable"] or receptacle in self._opened

    # --- what they do --------------------------------------------------------------

    def _look(self) -> str:
        return self._facing() if self._location in self.scene.receptacles_at else wording.EMPTY_LOOK

    def _inventory(self) -> str:
        if not self._held:
            return "You are not carrying anything."
        held = [self.scene.names[thing] for thing in sorted(self._held)]
        return f"You are carrying: {wording.listing(held)}."

    def _help(self) -> str:
        return wording.HELP

    def _go(self, receptacle: str) -> str:
        self._location = min(self.scene.locations[receptacle])
        return f"You arrive at {self.scene.names[receptacle]}. {self._look_into(receptacle)}"

    def _open(self, receptacle: str) -> str:
        self._opened.add(receptacle)
        return f"You open the {self.scene.names[receptacle]}. {self._look_into(receptacle)}"

    def _close(self, receptacle: str) -> str:
        self._opened.discard(receptacle)
        return f"You close the {self.scene.names[receptacle]}."

    def _take(self, thing: str, receptacle: str) -> str:
        self._contents[receptacle].discard(thing)
        self._taken_from.add((thing, receptacle))
        self._object_locations.discard((thing, self._location))
        self._held.add(thing)
        return f"You pick up the {self.scene.names[thing]} from the {self.scene.names[receptacle]}."

    def _move(self, thing: str, receptacle: str) -> str:
        self._contents[receptacle].add(thing)
        self._taken_from.discard((thing, receptacle))
        self._object_locations.add((thing, self._location))
        self._held.discard(thing)
        return f"You move the {self.scene.names[thing]} to the {self.scene.names[receptacle]}."

    def _use(self, thing: str) -> str:
        self._lit.add(thing)
        return f"You turn on the {self.scene.names[thing]}."

    def _clean(self, thing: str, basin: str) -> str:
        self._clean_things.add(thing)
        return f"You clean the {self.scene.names[thing]} using the {self.scene.names[basin]}."

    def _heat(self, thing: str, microwave: str) -> str:
        self._hot.add(thing)
        self._cold.discard(thing)
        return f"You heat the {self.scene.names[thing]} using the {self.scene.names[microwave]}."

    def _cool(self, thing: str, fridge: str) -> str:
        self._cold.add(thing)
        self._hot.discard(thing)
        return f"You cool the {self.scene.names[thing]} using the {self.scene.names[fridge]}."

    def _slice(self, thing: str, knife: str) -> str:
        self._sliced.add(thing)
        return f"You sliced the {self.scene.names[thing]} with the {self.scene.names[knife]}."

    def _look_into(self, receptacle: str) -> str:
        name = self.scene.names[receptacle]
        inside = wording.listing([self.scene.names[o] for o in sorted(self._contents[receptacle])])
        if receptacle not in self.scene.having["openable"]:
            return f"On the {name}, you see {inside}."
        if receptacle in self._opened:
            return f"The {name} is open. In it, you see {inside}."
        return f"The {name} is closed."

    def _inspect(self, thing: str) -> str:
        scene = self.scene
        if thing in scene.having["isreceptacleobject"]:
            inner = [scene.names[o] for o in scene.inside_objects.get(thing, ())]
            return (
                f"This is a normal {scene.names[thing]}. In it, you see {wording.listing(inner)}."
            )
        return wording.object_state(
            scene.names[thing],
            clean=thing in self._clean_things,
            hot=thing in self._hot,
            cool=thing in self._cold,
            sliced=thing in self._sliced,
            lit=thing in scene.having["toggleable"] and thing in self._lit,
        )

    def _facing(self) -> str:
        here = self.scene.receptacles_at.get(self._location, ())
        # An object counts as beside a receptacle once it was taken from it and put
        # down at the same location in something else.
        beside = sorted(
            (thing, receptacle)
            for thing, location in self._object_locations
            if location == self._location
            for receptacle in here
            if (thing, receptacle) in self._taken_from
        )
        names = self.scene.names
        return wording.facing(
            [names[r] for r in here], [names[o] for o in map(itemgetter(0), beside)]
        )

    # --- when it is won --------------------------------------------------------------

    def _is_placed(self, goal: PlaceGoal) -> bool:
        scene = self.scene
        states = {"isclean": self._clean_things, "ishot": self._hot, "iscool": self._cold}
        for receptacle in scene.receptacles:
            if goal.receptacle_type not in scene.receptacle_types.get(receptacle, ()):
                continue
            count = sum(
                goal.object_type in scene.object_types.get(thing, ())
                and all(thing in states[state] for state in goal.states)
                and all(thing in scene.having[ability] for ability in goal.abilities)
                for thing in self._contents[receptacle]
            )
            if count >= goal.count:
                return True
        return False

    def _looks(self, goal: LookGoal) -> bool:
        scene = self.scene
        if not any(goal.object_type in scene.object_types.get(o, ()) for o in self._held):
            return False
        return any(
            thing in self._lit
            and thing in scene.having["toggleable"]
            and goal.lamp_type in scene.object_types.get(thing, ())
            for receptacle in scene.receptacles_at.get(self._location, ())
            for thing in self._contents[receptacle]
        )
