"""What a wrong call gets: an exit code, one clear line, and nothing half-written."""

import json
import os
from pathlib import Path

import pytest
from tests.faults.fix_runs import TINY, App, Ended, units, wait_for


def complaint(ended: Ended, code: int) -> str:
    """The one line that a failed command says."""
    assert ended.code == code, ended
    said = ended.err.strip().splitlines()
    assert len(said) == 1, ended.err
    assert said[0].startswith("skillrl: error: ")
    return said[0].removeprefix("skillrl: error: ")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text("seed: 1\n")
    return path


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("env.colour=red", ["unknown key env.colour", "there are kind, games, data"]),
        ("evn.data=x", ["unknown key evn", "there are seed, method, env"]),
        ("rl.iterations=many", ["rl.iterations", "integer", "'many'"]),
        ("sft.learning_rate=fast", ["sft.learning_rate", "number", "'fast'"]),
        ("method=ppo", ["method", "'skillrl' or 'grpo'", "'ppo'"]),
        ("rl.iterations=0", ["iterations must be at least 1", "0"]),
        ("rl.temperature=0", ["temperature must be above 0", "0"]),
        ("evolution.floor=1.5", ["floor must be in [0, 1]", "1.5"]),
        ("rl.iterations", ["'rl.iterations'", "expected key=value"]),
        ("=3", ["'=3'", "expected key=value"]),
        ("rl=[", ["'rl=['", "not YAML"]),
    ],
)
def test_a_wrong_setting_is_named_with_what_would_be_right(
    app: App, config: Path, override: str, said: list[str]
) -> None:
    run = app.new_run()
    text = complaint(app("run", config, override, "--run", run), 2)
    assert [part for part in said if part not in text] == [], text
    assert not run.exists()


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("skills.withhold=1.5", ["withhold", "[0, 1]", "1.5"]),
        ("collect.noise=-1", ["noise", "[0, 1]", "-1"]),
        ("collect.episodes=0", ["episodes", "at least 1", "0"]),
        ("rollouts.group_size=0", ["group_size", "at least", "0"]),
        ("rollouts.groups=0", ["groups", "at least 1", "0"]),
        ("env.eval_games=0", ["eval_games", "at least 1", "0"]),
        ("env.max_steps=0", ["max_steps", "at least 1", "0"]),
        ("prompt.max_tokens=0", ["max_tokens", "at least 1", "0"]),
        ("env.categories=[]", ["categories"]),
        ("env.categories=[fly]", ["fly", "pick_and_place_simple"]),
    ],
)
def test_a_value_that_no_run_could_have_is_refused_before_it_starts(
    app: App, config: Path, override: str, said: list[str]
) -> None:
    run = app.new_run()
    text = complaint(app.start("run", config, override, "--run", run).wait(40), 2)
    assert [part for part in said if part not in text] == [], text
    assert not run.exists()


def test_a_missing_configuration_is_named_with_those_there_are(app: App, tmp_path: Path) -> None:
    run = app.new_run()
    text = complaint(app("run", tmp_path / "none.yaml", "--run", run), 2)
    assert f"no configuration file {tmp_path / 'none.yaml'}" in text
    assert "built in: alfworld-tiny, quickstart" in text
    assert not run.exists()


def test_a_directory_is_no_configuration(app: App, tmp_path: Path) -> None:
    run = app.new_run()
    text = complaint(app("run", tmp_path, "--run", run), 2)
    assert text == f"{tmp_path} is a directory; expected a YAML configuration file"
    assert not run.exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", "is not YAML"),
        (b"- 1\n- 2\n", "holds a list; expected keys and values"),
        (b"\xff\xfe\x00", "cannot read"),
        (b"seed: \x1b[31m\n", "is not YAML"),
        (b"!!python/object/apply:os.getcwd []\n", "is not YAML"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    app: App, config: Path, content: bytes, said: str
) -> None:
    config.write_bytes(content)
    run = app.new_run()
    text = complaint(app("run", config, "--run", run), 2)
    assert said in text
    assert str(config) in text
    assert not run.exists()


@pytest.mark.parametrize("command", ["eval", "report"])
def test_only_a_run_can_be_shown(app: App, tmp_path: Path, command: str) -> None:
    missing = tmp_path / "none"
    assert "no run directory: it has no manifest.json" in complaint(app(command, tmp_path), 2)
    assert f"{missing} is no run directory" in complaint(app(command, missing), 2)
    assert list(tmp_path.iterdir()) == []


def test_a_foreign_directory_is_left_alone(app: App, config: Path) -> None:
    text = complaint(app("run", config, "--run", config.parent), 2)
    assert text == f"{config.parent} is not empty and no run (it holds mine.yaml)"
    assert list(config.parent.iterdir()) == [config]


def test_a_file_is_no_run(app: App, config: Path) -> None:
    text = complaint(app("run", config, "--run", config), 2)
    assert text == f"{config} is a file; a run needs a directory"
    assert config.read_text() == "seed: 1\n"


@pytest.fixture
def stopped(app: App) -> Path:
    """A run that has just begun."""
    run = app.new_run()
    running = app.start("run", "quickstart", *TINY, "method=grpo", "--run", run)
    wait_for(lambda: "collect" in units(run), running)
    running.kill()
    running.wait()
    return run


def test_a_run_of_another_format_is_refused(app: App, stopped: Path) -> None:
    manifest = json.loads((stopped / "manifest.json").read_text())
    (stopped / "manifest.json").write_text(json.dumps({**manifest, "format": 99}))
    before = sorted(p.name for p in stopped.iterdir())
    for call in (
        ("run", "quickstart", *TINY, "method=grpo", "--run", stopped),
        ("eval", stopped),
        ("report", stopped),
    ):
        text = complaint(app(*call), 1)
        assert text == (f"{stopped} was written in run format 99; this release continues format 1")
    assert sorted(p.name for p in stopped.iterdir()) == before


def test_a_damaged_manifest_is_named(app: App, stopped: Path) -> None:
    (stopped / "manifest.json").write_text("{")
    assert f"{stopped}/manifest.json cannot be read" in complaint(app("eval", stopped), 2)
    (stopped / "manifest.json").write_text("[]")
    assert f"{stopped}/manifest.json is no run manifest" in complaint(app("eval", stopped), 2)


def test_a_damaged_record_is_named_by_file_and_line(app: App, stopped: Path) -> None:
    with (stopped / "journal.jsonl").open("a") as journal:
        journal.write('{"schema":"Unit"}\n')
    text = complaint(app("eval", stopped), 1)
    assert text.startswith(f"{stopped}/journal.jsonl, line 2: ")


def test_another_configuration_is_refused_with_the_difference(app: App, stopped: Path) -> None:
    before = (stopped / "config.yaml").read_bytes()
    call = ("run", "quickstart", *TINY, "method=grpo", "seed=5", "--run", stopped)
    text = complaint(app(*call), 2)
    assert "another configuration (seed: 0 there, seed: 5 here)" in text
    assert (stopped / "config.yaml").read_bytes() == before
    assert units(stopped) == ["collect"]


def test_a_run_belongs_to_one_process_at_a_time(app: App) -> None:
    run = app.new_run()
    call = ("run", "quickstart", *TINY, "method=grpo", "--run", run)
    running = app.start(*call)
    wait_for(lambda: "collect" in units(run), running)
    holder = (run / "lock").read_text()
    for other in (call, ("eval", run), ("report", run)):
        text = complaint(app(*other), 1)
        assert text == f"{run} is in use by process {holder}; wait for it, or end it"
    assert running.is_alive
    assert holder.isdigit()
    running.kill()
    running.wait()


def test_official_games_need_their_data(app: App, tmp_path: Path) -> None:
    run = app.new_run()
    call = ("run", "alfworld-tiny", "--run", run)
    text = complaint(app(*call), 2)
    assert "env.data is not set and neither is ALFWORLD_DATA" in text
    assert "json_2.1.1" in text
    assert not run.exists()
    text = complaint(app(*call, environment={"ALFWORLD_DATA": str(tmp_path)}), 2)
    assert text == f"{tmp_path} does not contain json_2.1.1; point ALFWORLD_DATA at its parent"
    assert not run.exists()


def test_a_split_that_is_not_there_is_named_with_those_there_are(app: App, tmp_path: Path) -> None:
    (tmp_path / "json_2.1.1" / "valid_seen").mkdir(parents=True)
    text = complaint(app("run", "alfworld-tiny", f"env.data={tmp_path}", "--run", app.new_run()), 2)
    assert "no split 'train'" in text
    assert "valid_seen" in text


def test_a_file_that_is_no_game_is_named(app: App, tmp_path: Path) -> None:
    for split in ("train", "valid_seen"):
        game = tmp_path / "json_2.1.1" / split / "pick_and_place_simple-Mug" / "trial_T1"
        game.mkdir(parents=True)
        (game / "game.tw-pddl").write_text("no game")
    run = app.new_run()
    ended = app("run", "alfworld-tiny", f"env.data={tmp_path}", "collect.episodes=4", "--run", run)
    assert ended.code == 2
    assert ended.err.count("skillrl: error: ") == 1
    assert "trial_T1/game.tw-pddl is no game file" in ended.err
    assert "Traceback" not in ended.err
    assert units(run) == []


@pytest.mark.parametrize(
    ("file_size", "reached"),
    [
        pytest.param(60_000, [], id="while collecting"),
        pytest.param(2_000_000, ["collect"], id="while saving a model"),
    ],
)
def test_a_full_disk_ends_the_run_and_space_resumes_it(
    app: App, file_size: int, reached: list[str]
) -> None:
    run = app.new_run()
    small = (
        "method=grpo",
        "sft.steps=4",
        "sft.save_every=2",
        "env.eval_games=2",
        "rl.iterations=1",
    )
    call = ("run", "quickstart", *TINY, *small, "model.width=256", "--run", run)
    full = app(*call, file_size=file_size)
    assert full.code == 1, full.err
    assert units(run) == reached
    assert "Traceback" not in full.err
    assert full.err.rstrip().splitlines()[-1].startswith("skillrl: error: ")
    assert "the same command resumes" in full.err
    again = app(*call)
    assert again.code == 0, again.err
    assert len(units(run)) == len(set(units(run))) == 7


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_may_not_be_written_is_named(app: App, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    text = complaint(app("run", "quickstart", "--run", tmp_path / "r"), 1)
    assert str(tmp_path) in text


def test_a_wrong_command_line_is_a_usage_error(app: App) -> None:
    for call in ((), ("fly",), ("run",), ("run", "quickstart", "--fast"), ("eval",)):
        ended = app(*call)
        assert ended.code == 2
        assert "usage: skillrl" in ended.err
