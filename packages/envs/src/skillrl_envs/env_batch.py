"""Many environments in lockstep, for training loops that step them all at once.

For people who bring a loop of their own; `rollout` is faster, since there no episode
waits for another. Slots that have finished are skipped: nothing is computed for them, and
`playing` says for which ones a reply is worth generating.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from skillrl_envs.env import Env, Observation, StepResult
from skillrl_envs.errors import EpisodeOver, GameFileError, UnknownTaskError
from skillrl_envs.rewards import RewardName, reward_scheme
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Ended


@dataclass(slots=True)
class _Slot:
    task: Task
    env: Env
    steps: int = 0
    ended: Ended | None = None


class EnvBatch:
    """A batch of episodes, one slot each; a group of rollouts repeats its task.

    An environment that breaks ends its own slot as failed and no other.
    """

    def __init__(
        self,
        make_env: Callable[[Task], Env],
        *,
        max_steps: int = 50,
        reward: RewardName = "env",
    ) -> None:
        """Play in environments of `make_env`, which must be new ones at each call.

        Args:
            make_env: Returns an environment that can play the task.
            max_steps: Steps after which an episode is truncated.
            reward: What steps are worth; see `rewards`.
        """
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, got {max_steps}")
        self._make_env, self._max_steps = make_env, max_steps
        self._worth = reward_scheme(reward)
        self._slots: list[_Slot] = []

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def playing(self) -> tuple[int, ...]:
        """The slots that have not finished, in order."""
        return tuple(i for i, slot in enumerate(self._slots) if slot.ended is None)

    @property
    def ended(self) -> tuple[Ended | None, ...]:
        """Why each slot finished; None for those still playing."""
        return tuple(slot.ended for slot in self._slots)

    @property
    def instructions(self) -> tuple[str, ...]:
        """The task sentence of each slot."""
        return tuple(slot.env.instruction for slot in self._slots)

    def reset(self, tasks: Sequence[Task]) -> list[Observation]:
        """Start one episode per task; raises what an environment's `reset` raises."""
        slots = [_Slot(task, self._make_env(task)) for task in tasks]
        if len({id(slot.env) for slot in slots}) < len(slots):
            raise ValueError("make_env returned one environment for two slots; each needs its own")
        observations = [slot.env.reset(slot.task) for slot in slots]
        self._slots = slots
        return observations

    def step(self, actions: Sequence[str | None]) -> list[StepResult | None]:
        """Do one action in every slot that is playing.

        Args:
            actions: One per slot; what stands in a finished slot is not looked at.

        Returns:
            One result per slot, its reward by the batch's scheme; None for slots that had
            finished before and for those that broke now (`ended` has the reason).

        Raises:
            EpisodeOver: every slot has finished.
            ValueError: not one action per slot, or None for one that is playing.
        """
        if len(actions) != len(self._slots):
            raise ValueError(f"{len(self._slots)} slots got {len(actions)} actions")
        playing = self.playing
        if not playing:
            raise EpisodeOver(f"all {len(self)} slots have finished; call reset(tasks)")
        if missing := [slot for slot in playing if actions[slot] is None]:
            raise ValueError(f"no action for slots {missing}, which are playing")
        return [
            None if action is None or slot.ended is not None else self._step(slot, action)
            for slot, action in zip(self._slots, actions, strict=True)
        ]

    def _step(self, slot: _Slot, action: str) -> StepResult | None:
        try:
            result = slot.env.step(action)
        except (GameFileError, UnknownTaskError):
            raise
        except Exception as err:  # noqa: BLE001  # recorded; the other slots go on
            slot.ended = Ended(kind="failed", reason=f"{type(err).__name__}: {err}")
            return None
        slot.steps += 1
        if not result.over and slot.steps >= self._max_steps:
            result = replace(result, truncated=True)
            slot.ended = Ended(kind="truncated", reason=f"{slot.steps} steps")
        elif result.terminated:
            slot.ended = Ended(kind="terminated", reason="the environment ended the episode")
        elif result.truncated:
            slot.ended = Ended(kind="truncated", reason="the environment's own limit")
        return replace(result, reward=self._worth(result))
