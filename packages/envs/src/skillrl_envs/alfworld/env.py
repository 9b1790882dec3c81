"""The ALFWorld environment: official games by path, generated games by name."""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from skillrl_envs.alfworld.engine import Game
from skillrl_envs.alfworld.generator import generate_scene
from skillrl_envs.alfworld.scene import Scene, build_scene, task_sentence
from skillrl_envs.env import Observation, StepResult
from skillrl_envs.errors import GameFileError, UnknownTaskError
from skillrl_envs.task import Task

WIN_REWARD = 10.0
"""The paper's reward for a won game; every other step earns 0."""


class AlfworldEnv:
    """Plays ALFWorld games. Instances are cheap; a group of rollouts uses one each."""

    def __init__(self, data: Path | None = None) -> None:
        """Play generated games, and official ones if `data` contains `json_2.1.1`."""
        self._data = data
        self._game: Game | None = None

    @property
    def instruction(self) -> str:
        """The task sentence, such as "put a clean mug in shelf."."""
        return self._playing().scene.instruction

    def reset(self, task: Task, /) -> Observation:
        """Start the game that `task` names."""
        self._game = Game(self._scene(task))
        return self._observe(self._game.reset())

    def step(self, action: str, /) -> StepResult:
        """Do `action`; "Nothing happens." answers one that is not admissible."""
        game = self._playing()
        feedback = game.step(action)
        won = game.won
        return StepResult(
            observation=self._observe(feedback),
            reward=WIN_REWARD if won else 0.0,
            terminated=won,
            success=won,
        )

    def _playing(self) -> Game:
        if self._game is None:
            raise UnknownTaskError("no game in progress; call reset(task) first")
        return self._game

    def _observe(self, text: str) -> Observation:
        return Observation(text, self._playing().admissible)

    def _scene(self, task: Task) -> Scene:
        match task.payload:
            case {"generated": {"split": str(split), "category": str(category), "seed": int(seed)}}:
                return generate_scene(split, category, seed)
            case {"official": str(game)}:
                if self._data is None:
                    raise UnknownTaskError(
                        f"{task.id} is an official game; give its data directory (ALFWORLD_DATA)"
                    )
                return load_scene(self._data / "json_2.1.1" / game)
        raise UnknownTaskError(
            f"task {task.id!r} has no ALFWorld payload: {dict(task.payload)!r:.80}"
        )


@lru_cache(maxsize=1024)
def load_scene(path: Path) -> Scene:
    """Read an official game file. Nothing in it is executed.

    Raises:
        GameFileError: missing, unreadable or no ALFWorld game; names the file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise GameFileError(f"no game file {path}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as err:
        raise GameFileError(f"{path} is no game file: {err}") from err
    match content:
        case {"pddl_problem": str(problem), "grammar": str(grammar)}:
            return _scene_of(path, problem, grammar, content)
    raise GameFileError(
        f"{path} is no game file: expected pddl_problem and grammar in a JSON object"
    )


def _scene_of(path: Path, problem: str, grammar: str, content: Mapping[str, object]) -> Scene:
    walkthrough = content.get("walkthrough")
    steps = (
        [step for step in walkthrough if isinstance(step, str)]
        if isinstance(walkthrough, list)
        else []
    )
    try:
        return build_scene(problem, task_sentence(grammar), steps)
    except (GameFileError, ValueError, LookupError) as err:
        raise GameFileError(f"{path}: {err}") from err
