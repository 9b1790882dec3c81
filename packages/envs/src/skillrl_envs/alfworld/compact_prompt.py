"""A prompt of some fifty tokens, for models too small to read a transcript.

It holds nothing that the observations did not say: notes of what was seen take the place
of the history, and the reply is the bare action.
"""

from skillrl_envs.actions import ParsedReply, bare_action
from skillrl_envs.alfworld.notes import Notes, kind_of, read_errand, take_notes
from skillrl_envs.policy import Message
from skillrl_envs.prompt import Context, EpisodeView

_LATEST_WORDS = 12


class CompactPrompt:
    """The ALFWorld prompt for tiny policies."""

    name = "alfworld-compact-1"
    context: Context = "window"

    def __init__(self, *, last_actions: int = 3) -> None:
        """Show the last few actions; three tell a loop from progress."""
        self._last_actions = last_actions

    def build(self, view: EpisodeView, /) -> tuple[Message, ...]:
        """Return one user message: skills, task, notes, observation."""
        notes = take_notes(view)
        errand = read_errand(view.instruction, notes.receptacles)
        kinds = {errand.thing, errand.place} if errand else set()
        sightings = [
            f"{thing} {'inside' if place in notes.closed else 'at'} {place}"
            for kind in sorted(kinds)
            for thing, place in notes.where(kind)
        ]
        treated = [treatment for treatment, thing in sorted(notes.treated) if thing == notes.held]
        goals = [r for r in notes.receptacles if errand and kind_of(r) == errand.place]
        actions = [turn.action for turn in view.history[-self._last_actions :]]
        # Each value directly follows a word of its own: one look back finds it, where a
        # colon shared by all fields would take a small model two.
        lines = [
            *([f"skills {view.skills.lower()}"] if view.skills else []),
            f"task {view.instruction.lower()}",
            f"seen {' , '.join(sightings) or 'nothing'}",
            f"held {' '.join([*treated, notes.held]) if notes.held else 'nothing'}",
            f"goal {' '.join(goals) or 'nothing'}",
            f"here {_here(notes)}",
            f"did {' ; '.join(actions) or 'nothing'}",
            f"unvisited {' '.join(notes.unvisited) or 'nothing'}",
            f"now {_latest(view)}",
        ]
        return (Message("user", "\n".join(lines)),)

    def parse(self, reply: str, admissible: tuple[str, ...], /) -> ParsedReply:
        """Take the whole reply as the action."""
        return bare_action(reply, admissible)

    def compose(self, thought: str, action: str, /) -> str:
        """Return the bare action: a tiny model spends no tokens on reasons."""
        del thought
        return action


def _here(notes: Notes) -> str:
    if notes.location is None:
        return "start"
    return f"{notes.location} {'closed' if notes.location in notes.closed else 'open'}"


def _latest(view: EpisodeView) -> str:
    # The opening lists the room, and what was seen inside things is in the notes.
    if not view.history:
        return "start"
    sentences = view.observation.lower().split(". ", 1)[0]
    return " ".join(sentences.split()[:_LATEST_WORDS])
