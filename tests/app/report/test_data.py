import pytest

from skillrl_app.report import CostRow, EvalResult, GameResult, cost_rows
from skillrl_envs.usage import UsageRecord


def result(**wins: int) -> EvalResult:
    games = tuple(
        GameResult(game=name, category=name[0], n=2, wins=won) for name, won in wins.items()
    )
    return EvalResult(label="after RL", arm="skills given", split="valid", games=games)


def usage(key: str, price: float | None, quantity: float = 1.0) -> UsageRecord:
    return UsageRecord(
        stage="rl",
        what="tokens",
        quantity=quantity,
        unit="tokens",
        price=price,
        cause_id="t",
        idempotency_key=key,
    )


def test_tallies_add_up_over_games_and_categories() -> None:
    evaluation = result(a1=2, a2=0, b1=1)
    assert (evaluation.overall.wins, evaluation.overall.n) == (3, 6)
    assert [(t.name, t.wins, t.n) for t in evaluation.by_category()] == [("a", 2, 4), ("b", 1, 2)]


def test_differences_pair_only_the_games_both_played() -> None:
    assert result(a1=2, a2=1, b1=0).minus(result(a2=0, a1=2, c1=2)) == (0.0, 0.5)


def test_a_game_counted_twice_is_refused() -> None:
    game = GameResult(game="g", category="a", n=1, wins=1)
    with pytest.raises(ValueError, match="repeats a game"):
        EvalResult(label="x", arm="no skills", split="valid", games=(game, game))


def test_more_wins_than_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 wins of 1"):
        GameResult(game="g", category="a", n=1, wins=2)


def test_costs_keep_unknown_prices_apart_and_count_an_event_once() -> None:
    records = [usage("1", 0.5), usage("1", 0.5), usage("2", 0.25, 3), usage("3", None, 7)]
    assert cost_rows(records) == (
        CostRow(stage="rl", what="tokens", quantity=4, unit="tokens", price=0.75),
        CostRow(stage="rl", what="tokens", quantity=7, unit="tokens", price=None),
    )
