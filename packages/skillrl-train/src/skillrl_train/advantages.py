"""How good each rollout was, compared with the others of its task. Torch-free."""

import statistics
from collections import defaultdict
from collections.abc import Sequence


def grpo_advantages(
    rewards_B: Sequence[float], groups_B: Sequence[str], *, eps: float = 1e-6
) -> list[float]:
    """Score each rollout against the rollouts of its group.

    GRPO (Shao et al., arXiv:2402.03300, eq. 3): A_i = (r_i - mean(r)) / std(r), with the
    sample standard deviation, over the trajectories of a group. (SkillRL's code takes
    both over the steps of all trajectories, so that long failures dominate.)

    Args:
        rewards_B: Episode rewards.
        groups_B: The group of each episode.
        eps: Added to the deviation; equal rewards give advantage 0, not NaN.

    Returns:
        One advantage per episode; 0 for a group of one.
    """
    members: dict[str, list[float]] = defaultdict(list)
    for reward, group in zip(rewards_B, groups_B, strict=True):
        members[group].append(reward)
    centre = {group: statistics.fmean(rewards) for group, rewards in members.items()}
    scale = {
        group: statistics.stdev(rewards) if len(rewards) > 1 else 0.0
        for group, rewards in members.items()
    }
    # Rounding must not give equal rewards an advantage.
    equal = {group for group, rewards in members.items() if min(rewards) == max(rewards)}
    return [
        0.0 if group in equal else (reward - centre[group]) / (scale[group] + eps)
        for reward, group in zip(rewards_B, groups_B, strict=True)
    ]
