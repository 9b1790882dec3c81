"""Prompts: how an episode so far becomes messages, and how a reply becomes an action.

One `PromptFormat` serves collection, SFT, RL and evaluation, so that an agent is never
trained on another prompt than it plays with. `WindowPrompt` is the paper's layout.
"""

import re
from dataclasses import dataclass
from typing import Protocol

from skillrl_envs.policy import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """One past exchange with the environment."""

    observation: str
    """What was seen before acting."""
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeView:
    """All that an agent may know when it acts; never the environment's hidden state."""

    instruction: str
    skills: str
    """The skills block; empty for none."""
    history: tuple[Turn, ...]
    """Every earlier turn, oldest first."""
    observation: str
    admissible: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedReply:
    """What a reply asks for."""

    action: str
    """What to send to the environment; empty when nothing could be read."""
    valid: bool
    """Well-formed, and admissible wherever the environment lists its actions."""


class PromptFormat(Protocol):
    """Turns a view into messages, and replies into actions and back."""

    @property
    def name(self) -> str:
        """Recorded with a run; changes when the prompt does."""
        ...

    def build(self, view: EpisodeView, /) -> tuple[Message, ...]:
        """Return the prompt for the next action."""
        ...

    def parse(self, reply: str, admissible: tuple[str, ...], /) -> ParsedReply:
        """Read the action out of a reply."""
        ...

    def compose(self, thought: str, action: str, /) -> str:
        """Return the reply that a demonstrator would give."""
        ...


_ACTION = re.compile(r"<action>(.*?)</action>", re.DOTALL | re.IGNORECASE)
_THINK = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class WindowPrompt:
    """The paper's prompt: rebuilt at each step with the last `history` turns.

    What stays the same over an episode (role, skills, task) comes first, so that servers
    can reuse their work on it; the skills are there from step 1 (upstream leaves them out
    of the first prompt).
    """

    role: str
    """Who the agent is and where, such as "an expert agent in a household"."""
    history: int = 2
    """Past turns shown (the paper's H for ALFWorld and WebShop)."""
    hidden_actions: frozenset[str] = frozenset({"help"})
    """Admissible actions not listed in the prompt."""

    @property
    def name(self) -> str:
        """Layout, version and window."""
        return f"window-1/{self.history}"

    def build(self, view: EpisodeView, /) -> tuple[Message, ...]:
        """Return a system message (role, skills, task) and a user message (the moment)."""
        fixed = [f"You are {self.role}."]
        if view.skills:
            fixed.append(f"## Skills learned from experience\n{view.skills}")
        fixed.append(f"## Task\n{view.instruction}")
        fixed.append(
            "At each step, first reason about the situation inside <think> </think>, citing the "
            "skills you use. Then give exactly one admissible action inside <action> </action>."
        )
        return (
            Message("system", "\n\n".join(fixed)),
            Message("user", "\n\n".join(self._moment(view))),
        )

    def _moment(self, view: EpisodeView) -> list[str]:
        parts = []
        taken = len(view.history)
        shown = view.history[-self.history :] if self.history > 0 else ()
        if shown:
            lines = [f"Steps taken: {taken}. The last {len(shown)}:"]
            for number, turn in enumerate(shown, start=taken - len(shown) + 1):
                lines.append(
                    f"[Step {number}] saw: {turn.observation}\n[Step {number}] did: {turn.action}"
                )
            parts.append("\n".join(lines))
        parts.append(f"Step {taken + 1}. You now see:\n{view.observation}")
        actions = [action for action in view.admissible if action not in self.hidden_actions]
        if actions:
            parts.append("Admissible actions:\n" + "\n".join(actions))
        return parts

    def parse(self, reply: str, admissible: tuple[str, ...], /) -> ParsedReply:
        """Take the first action block; valid only with a thought and an admissible action."""
        found = _ACTION.search(reply)
        if found is None:
            return ParsedReply("", valid=False)
        action = " ".join(found.group(1).split()).lower()
        listed = not admissible or action in admissible
        return ParsedReply(action, valid=bool(action) and listed and bool(_THINK.search(reply)))

    def compose(self, thought: str, action: str, /) -> str:
        """Return the thought and the action in their tags."""
        return f"<think>{thought}</think>\n<action>{action}</action>"
