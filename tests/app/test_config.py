from pathlib import Path

import pytest

from skillrl_app.config import RunConfig, builtin_configs, dump_config, load_config
from skillrl_app.errors import UsageError


def write(folder: Path, text: str) -> Path:
    path = folder / "c.yaml"
    path.write_text(text)
    return path


def test_every_builtin_configuration_loads() -> None:
    assert set(builtin_configs()) >= {"quickstart", "alfworld-tiny"}
    for name in builtin_configs():
        assert isinstance(load_config(name), RunConfig)
        assert load_config(f"configs/{name}.yaml") == load_config(name)


def test_overrides_reach_nested_settings() -> None:
    config = load_config("quickstart", ["rl.iterations=3", "env.eval_games=null", "seed=7"])
    assert (config.rl.iterations, config.env.eval_games, config.seed) == (3, None, 7)


def test_what_is_dumped_is_what_loads(tmp_path: Path) -> None:
    config = load_config("quickstart", ["env.data=/some/where", "teacher.model=openai/x"])
    assert load_config(write(tmp_path, dump_config(config))) == config


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("colour: red", "unknown key colour; there are seed, method"),
        ("rl: {iteratons: 3}", "unknown key rl.iteratons; there are iterations"),
        ("rl: {iterations: many}", "rl.iterations: .*integer.*got 'many'"),
        ("rl: {iterations: 0}", "iterations must be at least 1, got 0"),
        ("model: {heads: 0}", "heads must be at least 1, got 0"),
        ("rl: {learning_rate: .nan}", r"learning_rate must be in \(0, 1\), got nan"),
        ("rollouts: {group_size: 1}", "group_size must be at least 2, got 1"),
        ("env: {eval_games: -3}", "eval_games must be at least 1, got -3"),
        ("env: {eval_split: train/rl}", "eval_split 'train/rl' is trained on"),
        ("skills: {withhold: 1.5}", r"withhold must be in \[0, 1\], got 1.5"),
        ("method: ppo", "method: .*'skillrl' or 'grpo'.*got 'ppo'"),
        ("env: 3", "env: .*got 3"),
        ("- a", "holds a list; expected keys and values"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_configuration_says_what_where_and_what_would_be_right(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    "override", ["teacher.api_key_env=sk-abc-123", "teacher.api_base=https://me:sk-abc-123@host"]
)
def test_a_secret_in_the_wrong_place_is_refused_without_being_repeated(override: str) -> None:
    with pytest.raises(UsageError, match="not shown here") as caught:
        load_config("quickstart", [override])
    assert "sk-abc-123" not in str(caught.value)


@pytest.mark.parametrize("override", ["rl.iterations", "=3", "rl..x=3", "seed.x=1"])
def test_a_malformed_override_is_quoted(override: str) -> None:
    with pytest.raises(UsageError, match=r"override|unknown key"):
        load_config("quickstart", ["seed=1", override])


def test_a_mistyped_path_starts_nothing_else(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no configuration file .*built in: .*quickstart"):
        load_config(tmp_path / "quickstart.yaml")
    with pytest.raises(UsageError, match="is a directory"):
        load_config(tmp_path)


def test_an_empty_file_is_the_default_configuration(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == RunConfig()
