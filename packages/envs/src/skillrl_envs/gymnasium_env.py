"""An environment as a Gymnasium environment, for tools that speak that protocol.

Needs the extra `gymnasium`: pip install "skillrl-envs[gymnasium]".
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, SupportsFloat

try:
    import gymnasium
    from gymnasium import spaces
except ImportError as err:
    raise ImportError(
        'the Gymnasium adapter needs gymnasium: pip install "skillrl-envs[gymnasium]"'
    ) from err

from skillrl_envs.env import Env, Observation, StepLimit
from skillrl_envs.errors import UnknownTaskError
from skillrl_envs.rewards import RewardName, reward_scheme
from skillrl_envs.task import Task

_PRINTABLE = "".join(map(chr, range(32, 127))) + "\n"


class AnyText(spaces.Text):
    """Texts up to a length, in any script; samples are printable ASCII."""

    def __init__(self, max_length: int) -> None:
        """Hold texts of at most `max_length` characters, the empty one included."""
        super().__init__(max_length, min_length=0, charset=_PRINTABLE)

    def contains(self, x: Any) -> bool:  # noqa: ANN401  # Gymnasium asks about any value
        """Return whether `x` is a text of this length."""
        return isinstance(x, str) and len(x) <= self.max_length


class GymnasiumEnv(gymnasium.Env[str, str]):
    """One of `tasks` per episode; observations and actions are text.

    Action space: any text; `info["admissible"]` lists those that do something. Observation
    space: any text. Reward: by the named scheme. `terminated` is the environment's own end,
    `truncated` the step limit. `info` has "admissible", "instruction", "task_id",
    "category" and "success".

    `reset(seed=...)` fixes which tasks come; `reset(options={"task": index_or_task})` asks
    for one.
    """

    metadata: dict[str, Any] = {"render_modes": ["ansi"]}  # noqa: RUF012  # as Gymnasium has it

    def __init__(
        self,
        make_env: Callable[[Task], Env],
        tasks: Sequence[Task],
        *,
        max_steps: int = 50,
        reward: RewardName = "env",
        max_length: int = 100_000,
        render_mode: str | None = None,
    ) -> None:
        """Play `tasks` in environments of `make_env`.

        Args:
            make_env: Returns an environment that can play the task.
            tasks: What `reset` chooses from, each equally likely.
            max_steps: Steps after which an episode is truncated.
            reward: What steps are worth; see `rewards`.
            max_length: Longest text of the spaces, in characters.
            render_mode: "ansi" to have `render` return the last observation.
        """
        if not tasks:
            raise ValueError("no tasks to play")
        if render_mode not in (None, "ansi"):
            raise ValueError(f"render_mode must be None or 'ansi', got {render_mode!r}")
        self._make_env, self._tasks, self._max_steps = make_env, tuple(tasks), max_steps
        self._worth = reward_scheme(reward)
        self.render_mode = render_mode
        self.action_space = AnyText(max_length)
        self.observation_space = AnyText(max_length)
        self._env: StepLimit | None = None
        self._task = self._tasks[0]
        self._seen = ""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[str, dict[str, Any]]:
        """Start an episode of a random task, or of `options["task"]`."""
        super().reset(seed=seed)
        self._task = self._choose(options or {})
        self._env = StepLimit(self._make_env(self._task), self._max_steps)
        observation = self._env.reset(self._task)
        return observation.text, self._info(observation, success=False, metrics={})

    def step(self, action: str) -> tuple[str, SupportsFloat, bool, bool, dict[str, Any]]:
        """Do `action`; raises UnknownTaskError before any reset, EpisodeOver after the end."""
        if self._env is None:
            raise UnknownTaskError("no episode in progress; call reset() first")
        result = self._env.step(action)
        info = self._info(result.observation, success=result.success, metrics=result.metrics)
        return (
            result.observation.text,
            self._worth(result),
            result.terminated,
            result.truncated,
            info,
        )

    def render(self) -> str | None:
        """Return the last observation in mode "ansi"."""
        return self._seen if self.render_mode == "ansi" else None

    def _choose(self, options: Mapping[str, Any]) -> Task:
        match options.get("task"):
            case None:
                return self._tasks[int(self.np_random.integers(len(self._tasks)))]
            case Task() as task:
                return task
            case int(index) if 0 <= index < len(self._tasks):
                return self._tasks[index]
            case other:
                raise UnknownTaskError(
                    f"options['task'] must be a Task or an index below {len(self._tasks)}, "
                    f"got {other!r:.80}"
                )

    def _info(
        self, observation: Observation, *, success: bool, metrics: Mapping[str, float]
    ) -> dict[str, Any]:
        self._seen = observation.text
        return {
            "admissible": list(observation.admissible),
            "instruction": self._env.instruction if self._env is not None else "",
            "task_id": self._task.id,
            "category": self._task.category,
            "success": success,
            "metrics": dict(metrics),
        }
