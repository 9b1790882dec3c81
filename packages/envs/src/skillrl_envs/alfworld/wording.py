"""The sentences of ALFWorld, word for word as TextWorld renders its grammar."""

from collections.abc import Sequence

WELCOME = "-= Welcome to TextWorld, ALFRED! =-"
NOTHING_HAPPENS = "Nothing happens."
EMPTY_LOOK = "You are in the middle of a room. Looking quickly around you, you see nothing."
HELP = """
Available commands:
  look:                             look around your current location
  inventory:                        check your current inventory
  go to (receptacle):               move to a receptacle
  open (receptacle):                open a receptacle
  close (receptacle):               close a receptacle
  take (object) from (receptacle):  take an object from a receptacle
  move (object) to (receptacle):  place an object in or on a receptacle
  examine (something):              examine a receptacle or an object
  use (object):                     use an object
  heat (object) with (receptacle):  heat an object using a receptacle
  clean (object) with (receptacle): clean an object using a receptacle
  cool (object) with (receptacle):  cool an object using a receptacle
  slice (object) with (object):     slice an object using a sharp object
""".lstrip("\n")


def listing(names: Sequence[str]) -> str:
    """Return "a mug 1, a cup 2, and a fork 1", or "nothing"."""
    return joined([f"a {name}" for name in names]) or "nothing"


def joined(names: Sequence[str]) -> str:
    """Join names the way TextWorld does, with a comma before the last "and"."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])}, and {names[-1]}"


def opening(listed: str, instruction: str) -> str:
    """Return an episode's first observation."""
    return f"{WELCOME}\n\n{listed}\n\nYour task is to: {instruction}"


def room(names: Sequence[str]) -> str:
    """Return the view from the middle of the room."""
    return f"You are in the middle of a room. Looking quickly around you, you see {listing(names)}."


def facing(receptacles: Sequence[str], beside: Sequence[str]) -> str:
    """Return the view in front of receptacles, with what lies beside them."""
    return f"You are facing the {joined(receptacles)}. Next to it, you see {listing(beside)}."


def object_state(name: str, *, clean: bool, hot: bool, cool: bool, sliced: bool, lit: bool) -> str:
    """Describe a held object. ALFWorld's wording has no cell for every combination."""
    temperature = "hot" if hot else "cool" if cool else ""
    words = [temperature] if temperature else []
    if clean:
        words.append("and clean" if temperature else "clean")
    if sliced:
        words.append("sliced")
    if words == ["cool"]:
        words = ["cold"]
    if lit and (not words or words == ["sliced"]):
        return f"This {name} is on."
    if not words:
        return f"There's nothing special about {name}."
    return f"This is a {' '.join(words)} {name}."
