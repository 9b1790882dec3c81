"""Journal, ledger, run directory, playing with what is on disk."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from skillrl_app.config import RunConfig, load_config
from skillrl_app.errors import RunError, UsageError
from skillrl_app.journal import Journal, Unit
from skillrl_app.ledger import Ledger
from skillrl_app.play import play, read_episodes
from skillrl_app.run_directory import RunDirectory, write_atomically
from skillrl_app.seeds import derive_seed
from skillrl_envs.alfworld import AlfworldEnv, CompactPrompt, SearchExpert, generated_tasks
from skillrl_envs.jsonl import read_jsonl
from skillrl_envs.responder import script_responder
from skillrl_envs.rollout import EpisodeSpec, Player
from skillrl_envs.schema import from_json, to_json
from skillrl_envs.trajectory import Trajectory
from skillrl_envs.usage import UsageRecord

GOLDEN = Path(__file__).parent / "golden"


def test_a_finished_unit_is_remembered(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.finish(Unit(name="collect", seconds=1.5, result={"episodes": 3}))
    journal.close()
    again = Journal(path)
    assert "collect" in again
    assert "sft" not in again
    assert again["collect"].result == {"episodes": 3}
    with pytest.raises(ValueError, match="'collect' is already in the journal"):
        again.finish(Unit(name="collect", seconds=0.0, result={}))
    again.close()


def test_a_journal_cut_in_its_last_line_has_the_others(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    unit = Unit(name="a", seconds=0.0, result={})
    path.write_text(to_json(unit) + "\n" + to_json(unit)[:30])
    journal = Journal(path)
    assert [u.name for u in journal.units()] == ["a"]
    journal.close()


def test_the_unit_golden_file_reads() -> None:
    unit = Unit(name="sft", seconds=2.0, result={"examples": 5})
    golden = (GOLDEN / "Unit.json").read_text(encoding="utf-8").strip()
    assert to_json(unit) == golden
    assert from_json(Unit, golden) == unit


def usage(key: str, price: float | None = None) -> UsageRecord:
    return UsageRecord(
        stage="distill",
        what="teacher_call",
        quantity=1.0,
        unit="calls",
        price=price,
        cause_id="c",
        idempotency_key=key,
    )


def test_an_event_enters_the_ledger_once(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.add(usage("k"))
    ledger.add(usage("k"))
    ledger.close()
    again = Ledger(path)
    again.add(usage("k"))
    again.add(usage("other"))
    assert [record.idempotency_key for record in again.records()] == ["k", "other"]
    again.close()
    assert len(path.read_text().splitlines()) == 2


def test_processor_time_is_recorded_per_sitting(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    for _ in range(2):
        with ledger.cpu_time("sft", "r/sft"):
            sum(range(1000))
    assert [record.unit for record in ledger.records()] == ["seconds", "seconds"]
    ledger.close()


def test_enclosed_processor_time_is_counted_once(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    start = time.process_time()
    with ledger.cpu_time("rl", "r/rl"), ledger.cpu_time("rl rollouts", "r/rl/0"):
        while time.process_time() < start + 0.2:
            pass
    inner, outer = (record.quantity for record in ledger.records())
    ledger.close()
    assert inner >= 0.19
    assert outer < 0.1


def test_seeds_differ_by_purpose_and_are_stable() -> None:
    assert derive_seed(0, "rl", 1) == derive_seed(0, "rl", 1)
    assert len({derive_seed(s, p, n) for s in (0, 1) for p in ("a", "b") for n in (0, 1)}) == 8
    assert 0 <= derive_seed(3) < 2**63


def test_a_run_is_created_once_and_resumed(tmp_path: Path) -> None:
    config = load_config("quickstart")
    with RunDirectory.create_or_resume(tmp_path / "r", config) as first:
        run_id = first.manifest.run_id
    with RunDirectory.create_or_resume(tmp_path / "r", config) as second:
        assert second.manifest.run_id == run_id
        assert second.config == config


def test_another_configuration_is_refused_with_the_difference(tmp_path: Path) -> None:
    RunDirectory.create_or_resume(tmp_path / "r", RunConfig(seed=1)).close()
    with pytest.raises(UsageError, match="seed: 1 there, seed: 2 here"):
        RunDirectory.create_or_resume(tmp_path / "r", RunConfig(seed=2))
    # And the lock is free again.
    RunDirectory.create_or_resume(tmp_path / "r", RunConfig(seed=1)).close()


def test_the_data_may_lie_elsewhere_when_a_run_goes_on(tmp_path: Path) -> None:
    def config(data: str) -> RunConfig:
        return load_config("alfworld-tiny", [f"env.data={data}"])

    RunDirectory.create_or_resume(tmp_path / "r", config("/mnt/a")).close()
    with RunDirectory.create_or_resume(tmp_path / "r", config("/mnt/b")) as run:
        assert run.config.env.data == Path("/mnt/b")


def test_a_run_in_use_names_the_process(tmp_path: Path) -> None:
    with (
        RunDirectory.create_or_resume(tmp_path / "r", RunConfig()),
        pytest.raises(RunError, match=f"in use by process {os.getpid()}"),
    ):
        RunDirectory.open_existing(tmp_path / "r")


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"not empty and no run \(it holds thesis\.tex\)"):
        RunDirectory.create_or_resume(tmp_path, RunConfig())
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(UsageError, match="is a file"):
        RunDirectory.create_or_resume(tmp_path / "thesis.tex", RunConfig())
    with pytest.raises(UsageError, match=r"no manifest\.json"):
        RunDirectory.open_existing(tmp_path)


def test_a_creation_that_was_cut_short_starts_over(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 1")
    (tmp_path / ".manifest.json.part").write_text("{")
    with RunDirectory.create_or_resume(tmp_path, RunConfig(seed=5)) as run:
        assert run.config.seed == 5


@pytest.mark.parametrize(
    ("manifest", "error", "complaint"),
    [
        ('{"format": 99}', RunError, "run format 99; this release continues format 1"),
        ("{", UsageError, "cannot be read"),
        ('{"format": 1}', UsageError, "is no run manifest"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(
    tmp_path: Path, manifest: str, error: type[Exception], complaint: str
) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(error, match=complaint):
        RunDirectory.open_existing(tmp_path)


def test_a_replaced_file_is_old_or_new_never_half(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud800")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    write_atomically(path, "new")
    assert path.read_text() == "new"


def player() -> Player:
    prompt = CompactPrompt()
    return Player(
        run_id="r",
        make_env=lambda task: AlfworldEnv(),
        prompt=prompt,
        respond=script_responder(SearchExpert(), prompt),
        policy_version="expert",
    )


def specs(count: int) -> list[EpisodeSpec]:
    tasks = generated_tasks("check", count)
    return [EpisodeSpec(task=t, group_id=f"g{i}", replica=0, seed=i) for i, t in enumerate(tasks)]


def test_episodes_on_disk_are_not_played_again(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl"
    heard: list[str] = []
    first = play(path, player(), specs(3), lambda episode: heard.append(episode.id))
    before = path.read_bytes()
    path.write_bytes(before + b'{"schema":"Traj')  # killed while writing the next
    whole = play(path, player(), specs(5), lambda episode: heard.append(episode.id))
    assert path.read_bytes().startswith(before)
    assert whole[:3] == first
    assert [episode.group_id for episode in whole] == ["g0", "g1", "g2", "g3", "g4"]
    assert sorted(heard) == ["g0/0", "g0/0", "g1/0", "g1/0", "g2/0", "g2/0", "g3/0", "g4/0"]


def test_episodes_of_other_weights_are_played_again(tmp_path: Path) -> None:
    path = tmp_path / "unit.jsonl"
    (episode,) = play(path, player(), specs(1), lambda episode: None)
    record = json.loads(to_json(episode)) | {"policy_version": "another"}
    path.write_text(json.dumps(record) + "\n")
    (again,) = play(path, player(), specs(1), lambda episode: None)
    assert again.policy_version == "expert"
    assert [episode.policy_version for episode in read_jsonl(Trajectory, path)] == [
        "another",
        "expert",
    ]


def test_a_unit_in_which_everything_breaks_stops_the_run(tmp_path: Path) -> None:
    def no_env(task: object) -> AlfworldEnv:
        raise FileNotFoundError("the games are gone")

    path = tmp_path / "u.jsonl"
    with pytest.raises(RunError, match=r"all 2 episodes broke; g0/0: .*the games are gone"):
        play(path, replace(player(), make_env=no_env), specs(2), lambda e: None)
    # Once the cause is mended, what broke is played again, and read back once.
    assert all(e.outcome.success for e in play(path, player(), specs(2), lambda e: None))
    assert [(e.id, e.outcome.success) for e in read_episodes(path)] == [
        ("g0/0", True),
        ("g1/0", True),
    ]


def test_episodes_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "u.jsonl"
    twelve = [replace(spec, group_id=f"rl/{i}") for i, spec in enumerate(specs(12))]
    play(path, player(), list(reversed(twelve)), lambda e: None)
    assert [e.group_id for e in read_episodes(path)] == [f"rl/{i}" for i in range(12)]
