"""Worked numbers for the formulas taken from papers."""

import pytest

from skillrl_train.advantages import grpo_advantages


def test_grpo_advantages_match_hand_computation() -> None:
    # arXiv:2402.03300 eq. 3. Rewards 0, 0, 10, 10: mean 5, sample std sqrt(100/3) = 5.7735.
    got = grpo_advantages([0, 0, 10, 10], ["a"] * 4)
    assert got == pytest.approx([-0.8660254, -0.8660254, 0.8660254, 0.8660254], rel=1e-5)


def test_groups_are_compared_within_themselves_only() -> None:
    # a: 0, 1 -> mean .5, std sqrt(.5); b: 5, 5 -> no difference; c alone.
    got = grpo_advantages([0, 5, 1, 5, 3], ["a", "b", "a", "b", "c"])
    assert got == pytest.approx([-0.7071058, 0, 0.7071058, 0, 0], rel=1e-5)
    assert got[1] == got[3] == got[4] == 0.0


def test_equal_rewards_are_equal_whatever_their_mean_rounds_to() -> None:
    # The mean of three times 0.1 is not 0.1 in binary.
    assert grpo_advantages([0.1, 0.1, 0.1], ["a"] * 3) == [0.0, 0.0, 0.0]
