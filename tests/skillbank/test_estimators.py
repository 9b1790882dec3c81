import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skillbank import Evidence, InvalidEvidence, InvalidQuery
from skillbank.estimators import (
    Difference,
    Interval,
    laplace,
    memrl_q,
    summarise,
    ucb,
    uses,
    wilson,
    wins,
    within_group_difference,
)
from skillbank.student_t import central_quantile

SKILL = "00000000-0000-8000-8000-000000000001"


def entry(
    shown: bool,
    reward: float = 0.0,
    group: str = "g",
    *,
    propensity: float = 0.5,
    corrupted: bool = False,
) -> Evidence:
    """One episode; it counts as solved when its reward is positive."""
    return Evidence(
        skill_id=SKILL,
        version=1,
        shown=shown,
        propensity=propensity,
        corrupted=corrupted,
        success=reward > 0,
        reward=reward,
        episode_id="e",
        group_id=group,
        bank_revision=1,
    )


entries = st.builds(
    entry,
    st.booleans(),
    st.floats(-10, 10).map(lambda reward: round(reward, 3)),
    st.sampled_from("abcde"),
    propensity=st.floats(0.05, 1.0),
)


def certain(difference: Difference | None) -> Difference:
    assert difference is not None
    return difference


# Counts and scores


def test_only_shown_and_true_episodes_are_uses() -> None:
    log = [entry(True, 1), entry(True), entry(False, 1), entry(True, 1, corrupted=True)]
    assert (uses(log), wins(log)) == (2, 1)


def test_laplace_starts_in_the_middle() -> None:
    assert laplace([]) == 0.5
    assert laplace([entry(True, 1), entry(True, 1), entry(True)]) == 3 / 5


def test_wilson_gives_the_textbook_interval() -> None:
    # 8 of 10 at 95 %: (0.8 + 1.92/10 -+ 1.96 sqrt(0.016 + 0.96/100)) / (1 + 3.84/10)
    got = wilson(8, 10)
    assert [got.low, got.high] == pytest.approx([0.4902, 0.9433], abs=5e-5)


@given(st.data(), st.integers(1, 10_000), st.floats(0.01, 0.9999))
def test_wilson_bounds_are_as_far_as_the_normal_test_allows(
    data: st.DataObject, used: int, confidence: float
) -> None:
    won = data.draw(st.integers(0, used))
    got = wilson(won, used, confidence)
    assert 0.0 <= got.low <= won / used <= got.high <= 1.0
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    for bound in (got.low, got.high):
        distance = z * math.sqrt(bound * (1 - bound) / used)
        assert abs(won / used - bound) == pytest.approx(distance, rel=1e-6, abs=1e-9)


def test_wilson_knows_nothing_of_an_unused_skill_and_keeps_exact_ends() -> None:
    assert wilson(0, 0) == Interval(low=0.0, high=1.0)
    assert {wilson(0, used).low for used in range(1, 2000)} == {0.0}
    assert {wilson(used, used).high for used in range(1, 2000)} == {1.0}


@pytest.mark.parametrize(("won", "used"), [(3, 2), (-1, 2), (0, -1)])
def test_wilson_refuses_impossible_counts(won: int, used: int) -> None:
    with pytest.raises(InvalidEvidence, match=rf"wins must be in \[0, uses\], got {won} of {used}"):
        wilson(won, used)


def test_memrl_moves_towards_each_reward_in_turn() -> None:
    log = [entry(True, 1), entry(False, 9), entry(True, -1), entry(True, 9, corrupted=True)]
    # 0 -> 0.3 -> 0.3 + 0.3 (-1 - 0.3)
    assert memrl_q(log) == pytest.approx(-0.09)
    assert memrl_q(log[::-1]) == pytest.approx(0.09)
    assert memrl_q([], initial=0.25) == 0.25


def test_memrl_has_its_own_outcomes() -> None:
    log = [entry(True, 10), entry(True, 0)]
    assert memrl_q(log, outcome="success") == memrl_q([entry(True, 1), entry(True, -1)])


@given(st.lists(st.floats(-5, 5), max_size=20), st.floats(0.01, 1), st.floats(-5, 5))
def test_memrl_is_an_exponential_average(rewards: list[float], rate: float, start: float) -> None:
    log = [entry(True, reward) for reward in rewards]
    last = len(rewards) - 1
    expected = (1 - rate) ** len(rewards) * start + sum(
        rate * (1 - rate) ** (last - i) * reward for i, reward in enumerate(rewards)
    )
    assert memrl_q(log, rate, start) == pytest.approx(expected, abs=1e-9)


def test_ucb_adds_a_bonus_for_what_was_tried_less() -> None:
    log = [entry(True, 1), entry(True), entry(False, 1)]
    assert ucb(log, 8) == pytest.approx(0.5 + math.sqrt(2 * math.log(8) / 2))
    assert ucb(log, 8, 0.5) == pytest.approx(0.5 + 0.5 * math.sqrt(2 * math.log(8) / 2))
    assert ucb(log, 8, 0.0) == 0.5
    assert ucb([entry(True, 1)], 1) == 1.0
    assert ucb([entry(False, 1)], 8) == math.inf
    assert ucb([], 0) == math.inf


# The difference within groups


def test_the_difference_is_averaged_over_groups_not_episodes() -> None:
    log = [
        *(entry(True, reward, "one") for reward in (3.0, 1.0)),
        entry(False, 1.0, "one"),
        entry(True, 0.0, "two"),
        *(entry(False, reward, "two") for reward in (0.0, 1.0, 5.0)),
        entry(True, 9.0, "shown only"),
        entry(False, 9.0, "withheld only"),
    ]
    got = certain(within_group_difference(log))
    assert (got.groups, got.unpaired_groups, got.shown, got.withheld) == (2, 2, 3, 4)
    # The groups say 2 - 1 = 1 and 0 - 2 = -2: mean -0.5, standard error 1.5.
    assert got.estimate == -0.5
    half = 12.706204736 * 1.5
    assert [got.low, got.high] == pytest.approx([-0.5 - half, -0.5 + half])


def test_success_counts_as_one_whatever_the_reward() -> None:
    log = [entry(True, 10, "a"), entry(False, 0, "a"), entry(True, 4, "b"), entry(False, 3, "b")]
    assert certain(within_group_difference(log, outcome="success")).estimate == 0.5
    assert certain(within_group_difference(log)).estimate == 5.5


def test_unequal_propensities_weigh_their_inverse() -> None:
    log = [
        entry(True, 1.0, propensity=0.5),
        entry(True, 0.0, propensity=0.25),
        entry(False, 0.5, propensity=0.5),
        entry(False, 2.0, propensity=0.75),
    ]
    # Shown: (2 * 1 + 4 * 0) / 6; withheld: (2 * 0.5 + 4/3 * 2) / (2 + 4/3).
    assert certain(within_group_difference(log)).estimate == pytest.approx(1 / 3 - 1.1)


def test_the_rarest_propensity_there_is_does_not_overflow() -> None:
    log = [entry(True, 1.0, propensity=5e-324), entry(True, 0.0), entry(False, 0.25)]
    assert certain(within_group_difference(log)).estimate == 0.75


def test_no_group_with_both_arms_gives_nothing() -> None:
    assert within_group_difference([]) is None
    assert within_group_difference([entry(True, group="a"), entry(False, group="b")]) is None
    assert within_group_difference([entry(True), entry(False, corrupted=True)]) is None


def test_one_group_tells_no_interval() -> None:
    got = certain(within_group_difference([entry(True, 1), entry(False)]))
    assert (got.estimate, got.low, got.high) == (1.0, -math.inf, math.inf)


@pytest.mark.parametrize("count", [2, 3, 50])
def test_equal_differences_tell_no_interval(count: int) -> None:
    # Sums of 0.1 and 0.2 round differently in each order; the differences are equal still.
    log = [
        entry(shown, base + (0.3 if shown else 0.1), f"{number}")
        for number in range(count)
        for base in (0.1, 0.2, 0.7 * number)
        for shown in (True, False)
    ]
    got = certain(within_group_difference(log))
    assert got.estimate == pytest.approx(0.2)
    assert (got.low, got.high) == (-math.inf, math.inf)


def test_rewards_of_any_size_tell_an_interval() -> None:
    for size in (1e-90, 1e-14, 1.0, 1e90):
        log = [
            entry(True, size, "a"),
            entry(False, 0, "a"),
            entry(True, 0, "b"),
            entry(False, 0, "b"),
        ]
        got = certain(within_group_difference(log))
        half = 12.706204736 / 2
        assert [got.low / size, got.high / size] == pytest.approx([0.5 - half, 0.5 + half])


def brute_force(log: Sequence[Evidence]) -> list[float]:
    """The group differences, from the definition."""
    found = []
    for group in dict.fromkeys(e.group_id for e in log):
        arms = [[e for e in log if e.group_id == group and e.shown is arm] for arm in (True, False)]
        if all(arms):
            means = [
                np.average([e.reward for e in arm], weights=[1 / e.propensity for e in arm])
                for arm in arms
            ]
            found.append(float(means[0] - means[1]))
    return found


@given(st.lists(entries, max_size=40), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_difference_is_what_its_definition_says(log: list[Evidence], confidence: float) -> None:
    got = within_group_difference(log, confidence)
    expected = brute_force(log)
    if not expected:
        assert got is None
        return
    assert certain(got).estimate == pytest.approx(statistics.fmean(expected), abs=1e-9)
    if len(expected) > 1 and max(expected) - min(expected) > 1e-9:
        error = statistics.stdev(expected) / math.sqrt(len(expected))
        half = central_quantile(confidence, len(expected) - 1) * error
        assert certain(got).high - certain(got).estimate == pytest.approx(half, rel=1e-6, abs=1e-9)
        assert certain(got).estimate - certain(got).low == pytest.approx(half, rel=1e-6, abs=1e-9)


@given(st.lists(entries, max_size=20), st.lists(entries, max_size=5))
def test_falsified_texts_change_no_estimate(log: list[Evidence], others: list[Evidence]) -> None:
    falsified = [replace(other, corrupted=True) for other in others]
    with_them = summarise([*falsified, *log], total_uses=100)
    assert with_them == replace(summarise(log, total_uses=100), corrupted=len(falsified))


def test_a_summary_holds_every_estimate() -> None:
    log = [
        *(entry(True, 10, name) for name in "ab"),
        entry(True, 0, "b"),
        *(entry(False, reward, name) for name, reward in (("a", 0), ("b", 10))),
        entry(True, 10, "a", corrupted=True),
    ]
    got = summarise(log, total_uses=50, confidence=0.9)
    assert (got.uses, got.wins, got.withheld, got.corrupted) == (3, 2, 2, 1)
    assert (got.laplace, got.win_rate) == (3 / 5, wilson(2, 3, 0.9))
    assert (got.memrl_q, got.ucb) == (memrl_q(log, outcome="success"), ucb(log, 50))
    assert got.reward_difference == within_group_difference(log, 0.9, "reward")
    assert got.success_difference == within_group_difference(log, 0.9, "success")
    # The groups say 1 - 0 and 0.5 - 1.
    assert certain(got.success_difference).estimate == 0.25
    assert summarise(log).ucb is None


def test_an_empty_log_has_a_summary() -> None:
    got = summarise([])
    assert (got.uses, got.laplace, got.memrl_q, got.win_rate) == (
        0,
        0.5,
        0.0,
        Interval(low=0, high=1),
    )
    assert got.success_difference is None


# Bad input


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"skill_id": "other"}, "evidence must be of one skill, got .* and 'other'"),
        ({"propensity": 0.0}, r"propensity must be in \(0, 1\], got 0.0 in episode 'e'"),
        ({"propensity": math.nan}, r"propensity must be in \(0, 1\], got nan"),
        ({"reward": math.inf}, "reward must be between .* got inf"),
        ({"reward": math.nan}, "reward must be between .* got nan"),
        ({"reward": 1e101}, "reward must be between .* got 1e"),
    ],
)
@pytest.mark.parametrize("estimate", [uses, laplace, memrl_q, within_group_difference, summarise])
def test_impossible_evidence_is_refused(
    estimate: Callable[[Sequence[Evidence]], object], wrong: dict[str, object], message: str
) -> None:
    bad = replace(entry(True), **wrong)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidEvidence, match=message):
        estimate([entry(True), bad])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(1, 2, 1.0), r"confidence must be in \(0, 1\), got 1.0"),
        (lambda: within_group_difference([], 95), r"confidence must be in \(0, 1\), got 95"),
        (lambda: within_group_difference([], outcome="r"), "outcome must be .* got 'r'"),  # type: ignore[arg-type]
        (lambda: memrl_q([], 0.0), r"learning_rate must be in \(0, 1\], got 0.0"),
        (lambda: memrl_q([], 0.3, math.nan), "initial must be a finite number, got nan"),
        (lambda: ucb([], 3, -1.0), "exploration must be a finite number >= 0, got -1.0"),
        (lambda: ucb([entry(True)], 0), "total_uses must count this skill's 1 too, got 0"),
        (lambda: summarise([], confidence=math.nan), "confidence must be .* got nan"),
    ],
)
def test_a_setting_out_of_range_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidQuery, match=message):
        call()


# What the interval promises, by simulation

Make = Callable[[np.random.Generator], tuple[list[Evidence], float]]


def clustered(
    rng: np.random.Generator, *, groups: int, size: int, effect: float, varies: float
) -> tuple[list[Evidence], float]:
    """Groups far apart, whose effects differ; half the episodes shown by chance."""
    level_G = rng.normal(0, 3, groups)
    effect_G = rng.normal(effect, varies, groups)
    shown_GE = rng.random((groups, size)) < 0.5
    reward_GE = level_G[:, None] + effect_G[:, None] * shown_GE + rng.normal(0, 1, shown_GE.shape)
    return episodes(shown_GE, reward_GE), effect


def solved(
    rng: np.random.Generator, *, groups: int, size: int, effect: float
) -> tuple[list[Evidence], float]:
    """Tasks from hopeless to easy, solved or not."""
    base_G = rng.uniform(0, 1 - effect, groups)
    shown_GE = rng.random((groups, size)) < 0.5
    solved_GE = rng.random(shown_GE.shape) < base_G[:, None] + effect * shown_GE
    return episodes(shown_GE, solved_GE.astype(float)), effect


def episodes(shown_GE: "np.ndarray", reward_GE: "np.ndarray") -> list[Evidence]:
    return [
        entry(bool(shown), float(reward), f"{group}")
        for group, (shown_E, reward_E) in enumerate(zip(shown_GE, reward_GE, strict=True))
        for shown, reward in zip(shown_E, reward_E, strict=True)
    ]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda r: clustered(r, groups=10, size=6, effect=0, varies=0), id="null"),
        pytest.param(lambda r: clustered(r, groups=10, size=6, effect=1, varies=0.7), id="effect"),
        pytest.param(lambda r: solved(r, groups=20, size=6, effect=0), id="success-null"),
        pytest.param(lambda r: solved(r, groups=20, size=6, effect=0.3), id="success-effect"),
    ],
)
def test_the_interval_covers_the_effect_as_often_as_it_says(make: Make) -> None:
    rng = np.random.default_rng(20_260_101)
    covered = 0
    for _ in range(2500):
        log, effect = make(rng)
        got = certain(within_group_difference(log))
        assert got.high < math.inf
        covered += got.low <= effect <= got.high
    # 2,500 draws at 0.95: the standard error is 0.0044.
    assert 0.93 <= covered / 2500 <= 0.97


def test_weights_undo_a_design_that_favours_easy_episodes() -> None:
    # Easy episodes are shown three times in four and better by 4, hard ones one in four.
    rng = np.random.default_rng(7)
    log = []
    for group in range(200):
        for _ in range(40):
            easy = bool(rng.random() < 0.5)
            chance = 0.75 if easy else 0.25
            shown = bool(rng.random() < chance)
            reward = 4.0 * easy + 0.5 * shown + float(rng.normal())
            logged = chance if shown else 1 - chance
            log.append(entry(shown, reward, f"{group}", propensity=logged))
    got = certain(within_group_difference(log))
    assert got.low < 0.5 < got.high
    assert got.high - got.low < 0.4
    unweighted = certain(within_group_difference([replace(e, propensity=0.5) for e in log]))
    assert unweighted.low > 2.0
