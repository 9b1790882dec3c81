"""What can be said about any episode without knowing its environment.

An episode makes progress when it sees something it has not seen before. That alone
tells where it got stuck, whatever the words mean.
"""

from skillrl_envs.trajectory import Trajectory


def observation_after(trajectory: Trajectory, step: int) -> str:
    """Return what the environment answered to the action of `step`."""
    if step + 1 < len(trajectory.steps):
        return trajectory.steps[step + 1].observation
    return trajectory.final_observation


def last_progress(trajectory: Trajectory) -> int:
    """Return the last step whose action brought an unseen observation; -1 for none."""
    if not trajectory.steps:
        return -1
    seen = {_normal(trajectory.steps[0].observation)}
    latest = -1
    for index in range(len(trajectory.steps)):
        after = _normal(observation_after(trajectory, index))
        if after not in seen:
            seen.add(after)
            latest = index
    return latest


def wasted_steps(trajectory: Trajectory) -> int:
    """Return how many steps at the end brought nothing new."""
    return len(trajectory.steps) - 1 - last_progress(trajectory)


def point_of_failure(trajectory: Trajectory) -> int:
    """Return the step from which nothing new was seen, or the last one if all was new.

    Raises:
        ValueError: an episode without steps has no such point.
    """
    if not trajectory.steps:
        raise ValueError(f"trajectory {trajectory.id} has no steps")
    return min(last_progress(trajectory) + 1, len(trajectory.steps) - 1)


def fruitless_repeats(trajectory: Trajectory) -> tuple[int, ...]:
    """Return the steps that did the same in the same situation with the same result."""
    seen: set[tuple[str, str, str]] = set()
    repeats = []
    for index, step in enumerate(trajectory.steps):
        before, after = _normal(step.observation), _normal(observation_after(trajectory, index))
        key = (before, _normal(step.action), after)
        if key in seen:
            repeats.append(index)
        seen.add(key)
    return tuple(repeats)


def invalid_steps(trajectory: Trajectory) -> tuple[int, ...]:
    """Return the steps whose reply was not an action that the environment offers."""
    return tuple(index for index, step in enumerate(trajectory.steps) if not step.valid)


def _normal(text: str) -> str:
    return " ".join(text.lower().split())
