"""The configuration of a run: one YAML file, overridden by `key.sub=value` arguments.

Every section that a library package understands is that package's own settings type, so
that a setting has one name and one documentation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from skillbank import RetrievalSettings
from skillrl_app.errors import UsageError
from skillrl_envs.alfworld import CATEGORIES
from skillrl_train.evolution import EvolutionSettings
from skillrl_train.grpo import GrpoSettings
from skillrl_train.sft import SftSettings
from skillrl_train.tiny import TinyModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvConfig:
    """Where the agent plays."""

    kind: Literal["alfworld"] = "alfworld"
    games: Literal["generated", "official"] = "generated"
    data: Path | None = None
    """The directory that contains json_2.1.1; default: the variable ALFWORLD_DATA."""
    train_split: str = "train"
    eval_split: str = "held-out"
    """For official games: "valid_seen", say. Generated splits never share a game."""
    eval_games: int | None = 240
    """Games per evaluation, each played once; None for every game of the split."""
    categories: tuple[str, ...] = CATEGORIES
    """Task types of generated games."""
    max_steps: int = 24
    max_invalid: int | None = 3
    """Invalid replies in a row that end an episode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectConfig:
    """The episodes that skills are distilled from and SFT imitates."""

    episodes: int = 600
    noise: float = 0.15
    """Share of the demonstrator's actions replaced by random ones, so that its episodes
    also fail, and also show how to recover."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """Who distils. Swapping the teacher is changing `model`."""

    model: str = "offline"
    """"offline" (no model, no cost), or a litellm model string such as "openai/gpt-5-mini",
    "anthropic/claude-sonnet-4-5" or "ollama/qwen3"."""
    api_base: str | None = None
    api_key_env: str | None = None
    """The NAME of the environment variable that holds the key; the key is never stored."""
    mode: Literal["live", "record", "replay", "replay-or-live"] = "replay-or-live"
    """Every call is recorded in the run directory; a resumed run pays for none twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptConfig:
    """How the agent is asked."""

    format: Literal["compact", "window"] = "compact"
    """compact: fifty tokens of notes, for tiny models; window: the paper's prompt."""
    max_tokens: int = 8
    """Longest reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillsConfig:
    """Which skills stand in the prompt."""

    retrieval: RetrievalSettings = field(
        default_factory=lambda: RetrievalSettings(k_general=1, k_task=2, k_mistakes=1)
    )
    withhold: float = 0.5
    """Share of training episodes (SFT and RL) that get no skills, so that the agent can
    play without them and their use can be measured. Logged as propensity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """What RL plays per iteration."""

    groups: int = 16
    """Tasks per iteration."""
    group_size: int = 8
    """Rollouts per task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """Everything that determines a run."""

    seed: int = 0
    method: Literal["skillrl", "grpo"] = "skillrl"
    env: EnvConfig = field(default_factory=EnvConfig)
    prompt: PromptConfig = field(default_factory=PromptConfig)
    model: TinyModelSettings = field(default_factory=TinyModelSettings)
    collect: CollectConfig = field(default_factory=CollectConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    skills: SkillsConfig = field(default_factory=SkillsConfig)
    sft: SftSettings = field(default_factory=SftSettings)
    rollouts: RolloutConfig = field(default_factory=RolloutConfig)
    rl: GrpoSettings = field(default_factory=GrpoSettings)
    evolution: EvolutionSettings = field(default_factory=EvolutionSettings)


_ADAPTER: TypeAdapter[RunConfig] = TypeAdapter(with_config(ConfigDict(extra="forbid"))(RunConfig))


def load_config(source: Path | str, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a YAML file, or a built-in configuration by name, and apply overrides.

    Raises:
        UsageError: no such file, not YAML, an unknown key, a wrong type or value.
    """
    values = _read(source)
    for override in overrides:
        _apply(values, override)
    return _validate(values, str(source))


def dump_config(config: RunConfig) -> str:
    """Return the resolved configuration as YAML."""
    return yaml.safe_dump(_ADAPTER.dump_python(config, mode="json"), sort_keys=False)


def builtin_configs() -> list[str]:
    """Return the names of the configurations that come with the app."""
    folder = files("skillrl_app") / "configs"
    return sorted(
        p.name.removesuffix(".yaml") for p in folder.iterdir() if p.name.endswith(".yaml")
    )


def _read(source: Path | str) -> dict[str, Any]:
    path = Path(source)
    if not path.exists():
        text = _builtin(path)
    elif path.is_dir():
        raise UsageError(f"{path} is a directory; expected a YAML configuration file")
    else:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as err:
            raise UsageError(f"cannot read {path}: {err}") from err
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise UsageError(f"{path} is not YAML: {' '.join(str(err).split())}") from err
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UsageError(f"{path} holds a {type(values).__name__}; expected keys and values")
    return values


def _builtin(path: Path) -> str:
    """Return the built-in configuration called NAME, NAME.yaml or configs/NAME.yaml."""
    name = path.name.removesuffix(".yaml")
    # Only such names: a mistyped path must not start something else.
    if str(path.parent) not in {".", "configs"} or name not in builtin_configs():
        raise UsageError(
            f"no configuration file {path}, and none of that name is built in "
            f"(built in: {', '.join(builtin_configs())})"
        )
    return (files("skillrl_app") / "configs" / f"{name}.yaml").read_text(encoding="utf-8")


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise UsageError(f"cannot read override {override!r}; expected key=value or key.sub=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise UsageError(f"override {override!r}: the value is not YAML: {err}") from err
    for key in keys[:-1]:
        inner = values.setdefault(key, {})
        if not isinstance(inner, dict):
            raise UsageError(f"override {override!r}: {key} is a value, it has no sub-keys")
        values = inner
    values[keys[-1]] = value


def _validate(values: Mapping[str, Any], source: str) -> RunConfig:
    try:
        return _ADAPTER.validate_python(values)
    except ValidationError as err:
        lines = [_explain(details) for details in err.errors()]
        raise UsageError(f"{source}: " + "; ".join(lines)) from None


def _explain(details: Any) -> str:  # noqa: ANN401  # pydantic's ErrorDetails
    where = ".".join(str(part) for part in details["loc"]) or "the configuration"
    if details["type"] == "unexpected_keyword_argument":
        return f"unknown key {where}{_nearest(details['loc'])}"
    return f"{where}: {details['msg'].removeprefix('Value error, ')}, got {details['input']!r:.80}"


def _nearest(location: tuple[str | int, ...]) -> str:
    """Name the keys that do exist beside an unknown one."""
    value: Any = _ADAPTER.dump_python(RunConfig())
    for part in location[:-1]:
        value = value[part]
    return f"; there are {', '.join(value)}"
