"""The prompt as one growing chat: each step's messages begin with all of the last step's.

What the policy wrote stays in the chat word for word, so that the rollout engine can ask
it to go on from the exact tokens (`Request.token_prefix`), a server can reuse all of its
work, and training can take a whole episode as one sequence.
"""

from dataclasses import dataclass
from itertools import accumulate

from skillrl_envs.actions import ActionParser, ParsedReply, strict_action
from skillrl_envs.policy import Message
from skillrl_envs.prompt import Context, EpisodeView, Turn, fixed_message, listed, tagged_reply
from skillrl_envs.token_budget import Scene, TokenBudget, fit_scene


@dataclass(frozen=True, slots=True)
class ConversationPrompt:
    """The content of `WindowPrompt` as a chat: one scene, one reply, the next scene.

    With a budget, a chat that has grown too long is started again: its oldest turns leave,
    enough of them to free half of the room, and the first scene left says so. Only there
    does a prompt not extend the last one.
    """

    role: str
    """Who the agent is and where, such as "an expert agent in a household"."""
    hidden_actions: frozenset[str] = frozenset({"help"})
    """Admissible actions not listed in the prompt."""
    parser: ActionParser = strict_action
    """How replies are read."""
    budget: TokenBudget | None = None
    """The most tokens of a prompt, and with that what is cut; None for no limit."""

    @property
    def name(self) -> str:
        """Layout, version and limit."""
        limit = "" if self.budget is None else f"/{self.budget.limit} tokens"
        return f"conversation-1{limit}"

    @property
    def context(self) -> Context:
        """Growing."""
        return "conversation"

    def build(self, view: EpisodeView, /) -> tuple[Message, ...]:
        """Return a system message (role, skills, task), then scenes and replies in turn.

        Raises:
            PromptTooLong: what may not be cut does not fit into the budget.
        """
        system = fixed_message(self.role, view)
        room = self._room(system)
        scenes = [self._scene(view, index, room) for index in range(len(view.history) + 1)]
        replies = [Message("assistant", self._said(turn)) for turn in view.history]
        first = 0 if self.budget is None else _first_shown(self.budget, room, scenes, replies)
        messages = [system, _opening(scenes[first], first)]
        for reply, scene in zip(replies[first:], scenes[first + 1 :], strict=True):
            messages += [reply, scene]
        return tuple(messages)

    def parse(self, reply: str, admissible: tuple[str, ...], /) -> ParsedReply:
        """Read a reply by the prompt's parser."""
        return self.parser(reply, admissible)

    def compose(self, thought: str, action: str, /) -> str:
        """Return the thought and the action in their tags."""
        return tagged_reply(thought, action)

    def _said(self, turn: Turn) -> str:
        return turn.reply if turn.reply is not None else self.compose("", turn.action)

    def _room(self, system: Message) -> int:
        """Return the tokens left for scenes and replies; the same at every step."""
        if self.budget is None:
            return 0
        note = self.budget.count(_opening(Message("user", ""), 999).content)
        return self.budget.limit - self.budget.size(system) - note

    def _scene(self, view: EpisodeView, index: int, room: int) -> Message:
        seen = view if index == len(view.history) else view.history[index]
        scene = Scene(index + 1, seen.observation, listed(seen.admissible, self.hidden_actions))
        note = self._replaced(view.history[index - 1]) if index else ""
        budget = self.budget
        if budget is not None:
            # Cut to fit alone, so that a scene reads the same for as long as it is shown.
            scene = fit_scene(scene, lambda cut: budget.size(_user(note, cut)) <= room, budget)
        return _user(note, scene)

    def _replaced(self, turn: Turn) -> str:
        # Where something else was done than the reply says, the chat must not hide it.
        if self.parse(self._said(turn), turn.admissible).action == turn.action:
            return ""
        return f"Done instead: {turn.action}\n\n"


def _user(note: str, scene: Scene) -> Message:
    return Message("user", note + scene.text())


def _opening(scene: Message, left_out: int) -> Message:
    if left_out == 0:
        return scene
    what = "step 1 is" if left_out == 1 else f"steps 1 to {left_out} are"
    return Message("user", f"[{what} left out for length]\n\n{scene.content}")


def _first_shown(
    budget: TokenBudget, room: int, scenes: list[Message], replies: list[Message]
) -> int:
    """Return the first scene shown, by what was cut at every step up to now."""
    sizes = [budget.size(scene) for scene in scenes]
    turns = [a + budget.size(reply) for a, reply in zip(sizes, replies, strict=False)]
    before = [0, *accumulate(turns)]
    first = 0
    for now, size in enumerate(sizes):
        if before[now] - before[first] + size > room:
            while first < now and before[now] - before[first] + size > room // 2:
                first += 1
    return first
