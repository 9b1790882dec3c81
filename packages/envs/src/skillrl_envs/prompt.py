"""Prompts: how an episode so far becomes messages, and how a reply becomes an action.

One `PromptFormat` serves collection, SFT, RL and evaluation, so that an agent is never
trained on another prompt than it plays with. `WindowPrompt` is the paper's layout;
`conversation.ConversationPrompt` has the same content as one growing chat.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from skillrl_envs.actions import ActionParser, ParsedReply, strict_action
from skillrl_envs.policy import Message
from skillrl_envs.token_budget import Scene, TokenBudget, fit_scene

Context = Literal["window", "conversation"]
"""window: the prompt is rebuilt at each step; conversation: each prompt extends the last."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One past exchange with the environment."""

    observation: str
    """What was seen before acting."""
    action: str
    """What was executed."""
    reply: str | None = None
    """The whole answer, word for word; None where only the action is known."""
    admissible: tuple[str, ...] = ()
    """The actions there were."""


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


class PromptFormat(Protocol):
    """Turns a view into messages, and replies into actions and back."""

    @property
    def name(self) -> str:
        """Recorded with a run; changes when the prompt does."""
        ...

    @property
    def context(self) -> Context:
        """Whether prompts are rebuilt or grow."""
        ...

    def build(self, view: EpisodeView, /) -> tuple[Message, ...]:
        """Return the prompt for the next action; a pure function of the view."""
        ...

    def parse(self, reply: str, admissible: tuple[str, ...], /) -> ParsedReply:
        """Read the action out of a reply."""
        ...

    def compose(self, thought: str, action: str, /) -> str:
        """Return the reply that a demonstrator would give."""
        ...


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
    parser: ActionParser = strict_action
    """How replies are read."""
    budget: TokenBudget | None = None
    """The most tokens of a prompt, and with that what is cut; None for no limit."""

    @property
    def name(self) -> str:
        """Layout, version, window and limit."""
        return f"window-1/{self.history}{_limit(self.budget)}"

    @property
    def context(self) -> Context:
        """Rebuilt at each step."""
        return "window"

    def build(self, view: EpisodeView, /) -> tuple[Message, ...]:
        """Return a system message (role, skills, task) and a user message (the moment).

        Raises:
            PromptTooLong: what may not be cut does not fit into the budget.
        """
        system = fixed_message(self.role, view)
        taken = len(view.history)
        scene = Scene(taken + 1, view.observation, listed(view.admissible, self.hidden_actions))
        turns = view.history[-self.history :] if self.history > 0 else ()
        budget = self.budget
        if budget is None:
            return system, _moment(turns, scene)
        while turns and budget.size(system, _moment(turns, scene)) > budget.limit:
            turns = turns[1:]
        if not turns:
            scene = fit_scene(
                scene, lambda cut: budget.size(system, _moment((), cut)) <= budget.limit, budget
            )
        return system, _moment(turns, scene)

    def parse(self, reply: str, admissible: tuple[str, ...], /) -> ParsedReply:
        """Read a reply by the prompt's parser."""
        return self.parser(reply, admissible)

    def compose(self, thought: str, action: str, /) -> str:
        """Return the thought and the action in their tags."""
        return tagged_reply(thought, action)


def fixed_message(role: str, view: EpisodeView) -> Message:
    """Return what stays the same over an episode: role, skills, task, form of the answer."""
    fixed = [f"You are {role}."]
    if view.skills:
        fixed.append(f"## Skills learned from experience\n{view.skills}")
    fixed.append(f"## Task\n{view.instruction}")
    fixed.append(
        "At each step, first reason about the situation inside <think> </think>, citing the "
        "skills you use. Then give exactly one admissible action inside <action> </action>."
    )
    return Message("system", "\n\n".join(fixed))


def listed(admissible: tuple[str, ...], hidden: frozenset[str]) -> tuple[str, ...]:
    """Return the admissible actions that a prompt lists."""
    return tuple(action for action in admissible if action not in hidden)


def tagged_reply(thought: str, action: str) -> str:
    """Return a thought and an action in the tags that `fixed_message` asks for."""
    return f"<think>{thought}</think>\n<action>{action}</action>"


def _moment(turns: tuple[Turn, ...], scene: Scene) -> Message:
    parts = []
    if turns:
        taken = scene.number - 1
        lines = [f"Steps taken: {taken}. The last {len(turns)}:"]
        for number, turn in enumerate(turns, start=taken - len(turns) + 1):
            lines.append(
                f"[Step {number}] saw: {turn.observation}\n[Step {number}] did: {turn.action}"
            )
        parts.append("\n".join(lines))
    parts.append(scene.text())
    return Message("user", "\n\n".join(parts))


def _limit(budget: TokenBudget | None) -> str:
    return "" if budget is None else f"/{budget.limit} tokens"
