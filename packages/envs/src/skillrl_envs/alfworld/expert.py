"""A player that searches, from observations only, and gives a reason for each step.

It never reads a game's state or walkthrough: it looks where it has not looked, in the
order in which the room lists its receptacles, so its episodes show searching.
"""

from dataclasses import dataclass

from skillrl_envs.agent import Decision
from skillrl_envs.alfworld.notes import Errand, Notes, kind_of, read_errand, take_notes
from skillrl_envs.prompt import EpisodeView

_APPLIANCE = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}


class SearchExpert:
    """Plays any of the six task types; a pure function of what was seen."""

    name = "search-expert-1"

    def decide(self, view: EpisodeView, /) -> Decision:
        """Return the next action and why."""
        notes = take_notes(view)
        errand = read_errand(view.instruction, notes.receptacles)
        if errand is None:
            return Decision("I do not understand the task, so I look around.", "look")
        # Receptacles can share a location; whatever can be examined is within reach.
        here = frozenset(r for r in notes.receptacles if f"examine {r}" in view.admissible)
        decision = _Plan(errand, notes, here).next()
        if decision is None or decision.action not in view.admissible:
            return Decision("Nothing I planned is possible here, so I look again.", "look")
        return decision


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to do next, given what is known."""

    errand: Errand
    notes: Notes
    here: frozenset[str]

    def next(self) -> Decision | None:
        held = self.notes.held
        if held is not None:
            if kind_of(held) != self.errand.thing:
                return self._put_down(held)
            return self._use_held(held)
        wanted = self._next_object()
        if wanted is None:
            return self._search(self.errand.thing)
        thing, place = wanted
        if place not in self.here:
            return Decision(f"I saw {thing} at {place}, so I go there.", f"go to {place}")
        if place in self.notes.closed:
            return Decision(f"{thing} is inside the closed {place}.", f"open {place}")
        return Decision(f"I need {thing}, and it is here.", f"take {thing} from {place}")

    def _next_object(self) -> tuple[str, str] | None:
        goal, treatment = self._target(), self.errand.treatment
        for thing, place in self.notes.where(self.errand.thing):
            done = treatment is None or (treatment, thing) in self.notes.treated
            if not (place == goal and done):
                return thing, place
        return None

    def _target(self) -> str | None:
        """Return the receptacle to fill: the one that holds most of what is asked."""
        places = [r for r in self.notes.receptacles if kind_of(r) == self.errand.place]

        def placed(receptacle: str) -> int:
            inside = self.notes.contents.get(receptacle, ())
            return sum(kind_of(thing) == self.errand.thing for thing in inside)

        return max(places, key=placed, default=None)

    def _use_held(self, thing: str) -> Decision | None:
        treatment = self.errand.treatment
        if self.errand.with_lamp:
            return self._light()
        if treatment is not None and (treatment, thing) not in self.notes.treated:
            return self._treat(thing, treatment)
        goal = self._target()
        if goal is None:
            return None
        if goal not in self.here:
            return Decision(f"{thing} is ready, so I bring it to {goal}.", f"go to {goal}")
        if goal in self.notes.closed:
            return Decision(f"{goal} is closed, so I open it first.", f"open {goal}")
        if goal not in self.notes.contents:  # beside me, but perhaps closed
            return Decision(f"I check {goal} before I use it.", f"examine {goal}")
        return Decision(f"{thing} belongs here.", f"move {thing} to {goal}")

    def _treat(self, thing: str, treatment: str) -> Decision | None:
        kind = _APPLIANCE[treatment]
        appliance = next((r for r in self.notes.receptacles if kind_of(r) == kind), None)
        if appliance is None:
            return None
        if appliance not in self.here:
            return Decision(f"To {treatment} {thing} I need the {kind}.", f"go to {appliance}")
        return Decision(
            f"I {treatment} {thing} before I place it.", f"{treatment} {thing} with {appliance}"
        )

    def _light(self) -> Decision | None:
        lamps = self.notes.where(self.errand.place)
        if not lamps:
            return self._search(self.errand.place)
        lamp, place = lamps[0]
        if place not in self.here:
            return Decision(f"{lamp} stands at {place}, so I bring it there.", f"go to {place}")
        return Decision(f"I hold the object beside {lamp}, so I switch it on.", f"use {lamp}")

    def _search(self, kind: str) -> Decision | None:
        unseen = self.notes.unvisited
        for place in unseen:
            if place in self.here:
                if place in self.notes.closed:
                    return Decision(f"The {kind} may be inside.", f"open {place}")
                return Decision(f"I have not looked at {place} beside me.", f"examine {place}")
        for place in unseen:
            return Decision(f"I have not looked for the {kind} at {place} yet.", f"go to {place}")
        return None

    def _put_down(self, thing: str) -> Decision | None:
        for place in self.notes.contents:
            if place in self.here and place not in self.notes.closed:
                return Decision(
                    f"I do not need {thing}, so I put it down.", f"move {thing} to {place}"
                )
        for place in self.notes.contents:
            if place not in self.here and place not in self.notes.closed:
                return Decision(f"I want to put {thing} down at {place}.", f"go to {place}")
        return None
