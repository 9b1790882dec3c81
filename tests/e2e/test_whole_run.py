"""One whole run, from the outside."""

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.faults.fix_runs import TINY, App, lines, metrics, played, results, units

EVALUATIONS = ["base-given", "sft-given", "sft-withheld", "rl-given", "rl-withheld"]


def test_a_run_finishes_every_unit_exactly_once(reference: Path) -> None:
    assert units(reference) == [
        "collect",
        "distill",
        "model",
        "eval/base/given",
        "sft",
        "eval/sft/given",
        "eval/sft/withheld",
        "evolve/0001",
        "rl",
        "eval/rl/given",
        "eval/rl/withheld",
    ]


@pytest.mark.parametrize("name", EVALUATIONS)
def test_an_evaluation_holds_each_game_exactly_once(reference: Path, name: str) -> None:
    episodes = lines(reference / "trajectories" / f"eval-{name}.jsonl")
    assert sorted(episode["task"]["id"] for episode in episodes) == [
        f"generated/held-out/pick_and_place_simple/{number}" for number in range(8)
    ]
    given = name.endswith("given")
    assert {bool(episode["skills"]) for episode in episodes} == {given}


def test_no_game_is_trained_on_and_evaluated(reference: Path) -> None:
    games: dict[bool, set[str]] = {True: set(), False: set()}
    for path in (reference / "trajectories").iterdir():
        games[path.name.startswith("eval-")] |= {e["task"]["id"] for e in lines(path)}
    assert games[True].isdisjoint(games[False])


def test_rl_learned_from_something(reference: Path) -> None:
    # Otherwise the comparisons of runs in these tests would compare weights nobody moved.
    assert any(record["rows"] for record in metrics(reference).values())


def test_the_report_is_there_and_loads_nothing_from_elsewhere(reference: Path) -> None:
    page = (reference / "report.html").read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in page
    assert not re.search(r"<(link|iframe|object|embed|base)\b", page)
    assert not re.search(r"""(src|href|action|poster)\s*=\s*["']?\s*(https?:)?//""", page)
    assert page.rstrip().endswith("</html>")


def test_a_finished_run_is_left_as_it_is(app: App, reference: Path) -> None:
    watched = [reference / "journal.jsonl", *sorted((reference / "trajectories").iterdir())]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in watched]
    ended = app("run", "quickstart", *TINY, "--run", reference)
    assert ended.code == 0, ended.err
    assert ended.out.count("done before") == 10
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in watched] == before
    assert len(list((reference / "trajectories").iterdir())) == len(watched) - 1


def test_the_evaluations_of_a_run_are_shown(app: App, reference: Path) -> None:
    ended = app("eval", reference)
    assert ended.code == 0, ended.err
    rows = re.findall(
        r"(before SFT|after SFT|after RL) +│ +(given|withheld) │ +([\d.]+)%", ended.out
    )
    found = results(reference)
    names = {"before SFT": "base", "after SFT": "sft", "after RL": "rl"}
    assert len(rows) == 5
    for policy, arm, share in rows:
        wins = found[f"eval/{names[policy]}/{arm}"]["wins"]
        assert float(share) == pytest.approx(100 * wins / 8)


def test_a_lost_report_is_rebuilt(app: App, reference: Path) -> None:
    page = (reference / "report.html").read_bytes()
    (reference / "report.html").unlink()
    ended = app("report", reference)
    assert ended.code == 0, ended.err
    assert (reference / "report.html").read_bytes() == page


def test_the_same_seed_plays_the_same_games_the_same_way(app: App, reference: Path) -> None:
    run = app.new_run()
    ended = app("run", "quickstart", *TINY, "--run", run)
    assert ended.code == 0, ended.err
    assert played(run) == played(reference)
    assert metrics(run) == metrics(reference)
    assert results(run) == results(reference)


def test_plain_grpo_needs_no_bank(app: App, bank_root: Path) -> None:
    run = app.new_run()
    ended = app(
        "run", "quickstart", *TINY, "method=grpo", "sft.steps=10", "--run", run,
        environment={"SKILLBANK_HOME": str(bank_root / "never-made")},
    )  # fmt: skip
    assert ended.code == 0, ended.err
    assert units(run) == [
        "collect", "model", "eval/base/none", "sft", "eval/sft/none", "rl", "eval/rl/none"
    ]  # fmt: skip
    assert not (run / "bank").exists()
    assert not (run / "teacher.jsonl").exists()
    assert not (bank_root / "never-made").exists()
    assert app("eval", run).code == 0


@pytest.mark.data
def test_each_official_game_is_evaluated_exactly_once(app: App, alfworld_data: Path) -> None:
    there = {
        str(game.parent.relative_to(alfworld_data / "json_2.1.1"))
        for game in (alfworld_data / "json_2.1.1" / "valid_seen").glob("*/*/game.tw-pddl")
    }
    assert len(there) == 140
    run = app.new_run()
    ended = app(
        "run", "alfworld-tiny", f"env.data={alfworld_data}", "method=grpo",
        "collect.episodes=10", "collect.noise=0", "sft.steps=2", "sft.batch_size=2",
        "rl.iterations=1", "rl.steps_per_iteration=1", "rollouts.groups=1",
        "rollouts.group_size=2", "--run", run,
    )  # fmt: skip
    assert ended.code == 0, ended.err
    for name in ("base", "sft", "rl"):
        episodes = lines(run / "trajectories" / f"eval-{name}-none.jsonl")
        assert Counter(e["task"]["id"] for e in episodes) == Counter(there)
        assert not [e["ended"] for e in episodes if e["ended"]["kind"] == "failed"]
