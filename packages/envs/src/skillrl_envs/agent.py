"""Scripted agents: players that decide by rules instead of by a model."""

import random
from dataclasses import dataclass
from typing import Protocol

from skillrl_envs.prompt import EpisodeView


@dataclass(frozen=True, slots=True)
class Decision:
    """What a scripted agent would do, and what is done in its place."""

    thought: str
    action: str
    """The agent's own choice; the label when the episode is learned from."""
    executed: str | None = None
    """What the environment is sent instead; None for `action` itself."""


class ScriptedAgent(Protocol):
    """Decides from a view; must be a pure function of it."""

    @property
    def name(self) -> str:
        """Recorded as the policy version of its trajectories."""
        ...

    def decide(self, view: EpisodeView, /) -> Decision:
        """Return the next decision."""
        ...


class NoisyAgent:
    """Another agent whose hand slips: sometimes a random action is executed instead.

    The label stays the inner agent's choice, so that demonstrations also show how to
    recover (Laskey et al., DART, arXiv:1703.09327, with uniform noise).
    """

    def __init__(self, inner: ScriptedAgent, *, rate: float, seed: int) -> None:
        """Replace an action with probability `rate`; `seed` fixes where."""
        if not 0.0 <= rate <= 1.0:
            raise ValueError(f"rate must be in [0, 1], got {rate}")
        self._inner, self._rate, self._seed = inner, rate, seed

    @property
    def name(self) -> str:
        """The inner agent's name with the noise rate."""
        return f"{self._inner.name}+noise{self._rate:g}"

    def decide(self, view: EpisodeView, /) -> Decision:
        """Return the inner decision, its executed action perhaps replaced."""
        decision = self._inner.decide(view)
        # Seeded by what was seen, so that the agent stays a pure function of the view.
        rng = random.Random(
            f"{self._seed}/{view.instruction}/{len(view.history)}/{view.observation}"
        )
        if rng.random() >= self._rate or not view.admissible:
            return decision
        return Decision(decision.thought, decision.action, rng.choice(view.admissible))
