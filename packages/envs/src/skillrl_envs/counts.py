"""What a rollout came to: how its episodes ended, and every token it is known to have cost."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from skillrl_envs.trajectory import Step, Trajectory


@dataclass(slots=True)
class RolloutCounts:
    """Sums over a rollout, right at every moment of it. Pass one in to keep it."""

    terminated: int = 0
    truncated: int = 0
    failed: int = 0
    cancelled: int = 0
    """Episodes that had begun when the rollout was given up; they leave no trajectory."""
    steps: int = 0
    """Of episodes that ended."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    wasted_tokens: int = 0
    """Generated in vain as far as known, everything in cancelled episodes included."""
    lost_attempts: int = 0
    """Attempts of which nobody says what they generated."""
    faults: Counter[str] = field(default_factory=Counter)
    """Steps whose reply had that fault."""

    @property
    def ended(self) -> int:
        """Episodes with a trajectory."""
        return self.terminated + self.truncated + self.failed

    def add(self, episode: Trajectory) -> None:
        """Count an episode that ended."""
        kind = episode.ended.kind
        setattr(self, kind, getattr(self, kind) + 1)
        self.steps += len(episode.steps)
        self.prompt_tokens += episode.prompt_tokens
        self.completion_tokens += episode.completion_tokens
        self.wasted_tokens += episode.wasted_tokens
        self.lost_attempts += episode.lost_attempts
        self.faults.update(fault for step in episode.steps for fault in step.faults)

    def add_cancelled(
        self, steps: Sequence[Step], *, wasted_tokens: int, lost_attempts: int
    ) -> None:
        """Count an episode that was given up after `steps`: all of it was in vain."""
        self.cancelled += 1
        done = [step.completion for step in steps if step.completion is not None]
        self.wasted_tokens += wasted_tokens + sum(one.tokens_written for one in done)
        self.lost_attempts += lost_attempts
