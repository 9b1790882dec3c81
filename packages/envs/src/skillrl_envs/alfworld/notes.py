"""What an attentive player knows so far, from the text alone.

The search expert and the compact prompt both stand on these notes, so that neither can
use anything the agent was not told.
"""

import re
from dataclasses import dataclass, field

from skillrl_envs.prompt import EpisodeView

_KIND = re.compile(r"[a-z]+")
_LISTED = re.compile(r"\ban? ([a-z]+ \d+)")
_ROOM = re.compile(r"Looking quickly around you, you see (.*?)\.")
_CONTENTS = re.compile(r"(?:On|In) (?:the ([a-z]+ \d+)|it), you see (.*?)\.")
_ARRIVED = re.compile(r"You arrive at ([a-z]+ \d+)\.")
_CLOSED = re.compile(r"The ([a-z]+ \d+) is closed\.")
_OPEN = re.compile(r"The ([a-z]+ \d+) is open\.")
_CLOSES = re.compile(r"You close the ([a-z]+ \d+)\.")
_TAKEN = re.compile(r"You pick up the ([a-z]+ \d+) from the ([a-z]+ \d+)\.")
_MOVED = re.compile(r"You move the ([a-z]+ \d+) to the ([a-z]+ \d+)\.")
_TREATED = re.compile(r"You (clean|heat|cool) the ([a-z]+ \d+) using")
_TREATMENTS = {
    "clean": re.compile(r"\bclean\b"),
    "heat": re.compile(r"\b(?:heat|hot)\b"),
    "cool": re.compile(r"\b(?:cool|cold)\b"),
}
_LAMP = re.compile(r"\b([a-z]*lamp)\b")
_PLACE = re.compile(r"\b(?:in|on|to|under|with|into|onto)(?:/on)?(?: the| a| an)? ([a-z]+)\W*$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """What a task sentence asks for."""

    thing: str
    place: str
    """A kind of receptacle, or of lamp."""
    treatment: str | None
    """"clean", "heat", "cool", or nothing."""

    @property
    def with_lamp(self) -> bool:
        """The object is to be looked at in the light of a lamp."""
        return self.place.endswith("lamp")


@dataclass(slots=True)
class Notes:
    """Everything noticed up to now."""

    receptacles: list[str] = field(default_factory=list)
    """In the order in which the room listed them."""
    location: str | None = None
    contents: dict[str, list[str]] = field(default_factory=dict)
    """Receptacle -> what was last seen in or on it; only those looked into."""
    closed: set[str] = field(default_factory=set)
    held: str | None = None
    treated: set[tuple[str, str]] = field(default_factory=set)
    """(treatment, object) pairs."""

    @property
    def unvisited(self) -> list[str]:
        """Receptacles never looked into, in listed order; closed ones count as unseen."""
        return [r for r in self.receptacles if r not in self.contents]

    def where(self, kind: str) -> list[tuple[str, str]]:
        """Return (object, receptacle) for each sighting of that kind that still holds."""
        return [
            (thing, place)
            for place in self.receptacles
            for thing in self.contents.get(place, ())
            if kind_of(thing) == kind
        ]


def kind_of(name: str) -> str:
    """Return "mug" for "mug 2"."""
    return name.split(" ", 1)[0]


def read_errand(instruction: str, receptacles: list[str]) -> Errand | None:
    """Read a task sentence; None when it names no known place or object.

    The place is what the sentence ends with; the object is the last word before the
    place that is not a word of the sentence frame.
    """
    text = instruction.lower().strip()
    lamp = _LAMP.search(text)
    found = _PLACE.search(text)
    if lamp is None and (found is None or found.group(1) not in map(kind_of, receptacles)):
        return None
    place = lamp.group(1) if lamp else (found.group(1) if found else "")
    before = text[: lamp.start() if lamp else found.start() if found else 0]
    words = [word for word in _KIND.findall(before) if word not in _FRAME]
    if not words:
        return None
    treatment = next((name for name, form in _TREATMENTS.items() if form.search(before)), None)
    return Errand(
        thing=words[-1],
        place=place,
        treatment=None if lamp else treatment,
    )


# Words of the task sentences that name neither the object nor the place.
_FRAME = frozenset(
    {
        "a", "an", "the", "some", "two", "put", "place", "move", "find", "look", "at", "examine",
        "take", "to", "in", "on", "under", "with", "by", "and", "it", "them", "then", "its",
        "into", "onto", "clean", "hot", "cool", "cold", "heat", "cooled", "heated", "cleaned",
    }
)  # fmt: skip


def take_notes(view: EpisodeView) -> Notes:
    """Read every observation so far, the current one included."""
    notes = Notes()
    for turn in view.history:
        _read(notes, turn.observation)
    _read(notes, view.observation)
    return notes


def _read(notes: Notes, text: str) -> None:
    if not notes.receptacles and (room := _ROOM.search(text)):
        notes.receptacles = _LISTED.findall(room.group(1))
        return
    if arrived := _ARRIVED.search(text):
        notes.location = arrived.group(1)
    for found in _CLOSED.finditer(text):
        notes.closed.add(found.group(1))
    opened = _OPEN.search(text)
    if opened:
        notes.closed.discard(opened.group(1))
    if shut := _CLOSES.search(text):
        notes.closed.add(shut.group(1))
    if seen := _CONTENTS.search(text):
        place = seen.group(1) or (opened.group(1) if opened else None)
        if place in notes.receptacles:
            notes.contents[place] = _LISTED.findall(seen.group(2))
    _read_deed(notes, text)


def _read_deed(notes: Notes, text: str) -> None:
    if taken := _TAKEN.search(text):
        thing, place = taken.groups()
        notes.held = thing
        if thing in notes.contents.get(place, ()):
            notes.contents[place].remove(thing)
    elif moved := _MOVED.search(text):
        thing, place = moved.groups()
        notes.held = None
        notes.contents.setdefault(place, []).append(thing)
    elif treated := _TREATED.search(text):
        treatment, thing = treated.groups()
        notes.treated -= {("heat", thing), ("cool", thing)} if treatment != "clean" else set()
        notes.treated.add((treatment, thing))
