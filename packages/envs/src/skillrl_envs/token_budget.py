"""A limit on a prompt's length, and how a scene is cut to keep it.

What is cut first is declared, and every cut is visible in the prompt: (1) the oldest
turns; (2) the end of the observation; (3) the last of the listed actions. The role, the
skills, the task and the form of the answer are never cut: skills have a budget of their
own where they are retrieved, and a skill that was recorded as shown must be shown.
"""

from collections.abc import Callable
from dataclasses import dataclass

from skillrl_envs.errors import PromptTooLong
from skillrl_envs.policy import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenBudget:
    """The most tokens that a prompt may have."""

    limit: int
    """Tokens of the whole prompt; the reply comes on top (the paper's 4096 for ALFWorld)."""
    count: Callable[[str], int]
    """Tokens of a text, by the model's own tokenizer."""
    per_message: int = 8
    """Tokens allowed for what the chat template puts around each message."""

    def __post_init__(self) -> None:
        if self.limit < 1:
            raise ValueError(f"limit must be at least 1, got {self.limit}")
        if self.per_message < 0:
            raise ValueError(f"per_message must be at least 0, got {self.per_message}")

    def size(self, *messages: Message) -> int:
        """Return the tokens of these messages."""
        return sum(self.count(message.content) + self.per_message for message in messages)


@dataclass(frozen=True, slots=True)
class Scene:
    """What the agent has before it: an observation and the actions it may take."""

    number: int
    """1 for the first step."""
    observation: str
    actions: tuple[str, ...]
    """Those to be listed; empty where actions are free text."""
    left_out: int = 0
    """Actions cut from the end of the list."""

    def text(self) -> str:
        """Return it as a prompt shows it."""
        parts = [f"Step {self.number}. You now see:\n{self.observation}"]
        if self.actions:
            lines = ["Admissible actions:", *self.actions]
            if self.left_out:
                lines.append(f"[and {self.left_out} more, left out for length]")
            parts.append("\n".join(lines))
        return "\n\n".join(parts)


def fit_scene(scene: Scene, fits: Callable[[Scene], bool], budget: TokenBudget) -> Scene:
    """Return the scene, cut as little as it takes to fit: the observation, then the actions.

    Raises:
        PromptTooLong: not even one action fits.
    """
    if fits(scene):
        return scene

    def shortened(length: int) -> Scene:
        head = scene.observation[:length].rstrip()
        return Scene(scene.number, f"{head} [left out for length]".lstrip(), scene.actions)

    length = _largest(0, len(scene.observation) - 1, lambda n: fits(shortened(n)))
    if length is not None:
        return shortened(length)

    def listing(count: int) -> Scene:
        blank = shortened(0).observation
        return Scene(scene.number, blank, scene.actions[:count], len(scene.actions) - count)

    count = _largest(1, len(scene.actions) - 1, lambda n: fits(listing(n)))
    if count is not None:
        return listing(count)
    raise PromptTooLong(
        f"step {scene.number}: role, skills, task and one action do not fit into "
        f"{budget.limit} tokens; give the skills fewer or the prompt more"
    )


def _largest(least: int, most: int, holds: Callable[[int], bool]) -> int | None:
    """Return the largest number in the range for which `holds`, true up to some point."""
    if least > most or not holds(least):
        return None
    while least < most:
        middle = (least + most + 1) // 2
        if holds(middle):
            least = middle
        else:
            most = middle - 1
    return least
