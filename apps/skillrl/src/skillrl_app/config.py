"""The configuration of a run: one YAML file, overridden by `key.sub=value` arguments.

Every section that a library package understands is that package's own settings type, so
that a setting has one name and one documentation.
"""

import re
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


def _at_least_one(**values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} must be in [0, 1], got {value}")


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
    """Games per evaluation, each played once; None for every game of an official split."""
    categories: tuple[str, ...] = CATEGORIES
    """Task types of generated games."""
    max_steps: int = 24
    max_invalid: int | None = 3
    """Invalid replies in a row that end an episode."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that no run could have."""
        _at_least_one(eval_games=self.eval_games, max_steps=self.max_steps)
        _at_least_one(max_invalid=self.max_invalid)
        unknown = sorted(set(self.categories) - set(CATEGORIES))
        if unknown or not self.categories:
            raise ValueError(
                f"categories must name some of {', '.join(CATEGORIES)}, got "
                f"{', '.join(unknown) or 'none'}"
            )
        if self.eval_split == self.train_split or self.eval_split.startswith(
            f"{self.train_split}/"
        ):
            raise ValueError(
                f"eval_split {self.eval_split!r} is trained on (train_split is "
                f"{self.train_split!r}); evaluate on another split"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectConfig:
    """The episodes that skills are distilled from and SFT imitates."""

    episodes: int = 600
    noise: float = 0.15
    """Share of the demonstrator's actions replaced by random ones, so that its episodes
    also fail, and also show how to recover."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that no run could have."""
        _at_least_one(episodes=self.episodes)
        _share(noise=self.noise)


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
    """With replay-or-live, a resumed run pays for no call twice; live records nothing."""
    recording: Path | None = None
    """Where calls are recorded and replayed from; default: teacher.jsonl of the run."""

    def __post_init__(self) -> None:
        """Raise ValueError for what looks like a secret, without repeating it."""
        if self.api_key_env is not None and not re.fullmatch(r"[A-Za-z_]\w*", self.api_key_env):
            raise ValueError(
                "api_key_env must be the NAME of an environment variable, such as "
                "OPENAI_API_KEY, not the key itself (not shown here)"
            )
        if self.api_base is not None and "@" in self.api_base:
            raise ValueError("api_base must not hold a user name or password (not shown here)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptConfig:
    """How the agent is asked."""

    format: Literal["compact", "window"] = "compact"
    """compact: fifty tokens of notes, for tiny models; window: the paper's prompt."""
    max_tokens: int = 8
    """Longest reply."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that no run could have."""
        _at_least_one(max_tokens=self.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkillsConfig:
    """Which skills stand in the prompt."""

    retrieval: RetrievalSettings = field(
        default_factory=lambda: RetrievalSettings(k_general=1, k_task=2, k_mistakes=1)
    )
    embedder: str | None = None
    """What compares skills with tasks in retrieval modes "embedding" and "hybrid":
    "minilm", "sentence-transformers:MODEL", "litellm:MODEL" or "hashing"."""
    withhold: float = 0.5
    """Share of training episodes (SFT and RL) that get no skills, so that the agent can
    play without them and their use can be measured. Logged as propensity."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that no run could have."""
        _share(withhold=self.withhold)
        if self.embedder is None and self.retrieval.mode in ("embedding", "hybrid"):
            raise ValueError(
                f"embedder must be named for retrieval.mode {self.retrieval.mode!r}, such as minilm"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutConfig:
    """What RL plays per iteration."""

    groups: int = 16
    """Tasks per iteration."""
    group_size: int = 8
    """Rollouts per task; one alone has nothing to be compared with."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that no run could have."""
        _at_least_one(groups=self.groups)
        if self.group_size < 2:
            raise ValueError(f"group_size must be at least 2, got {self.group_size}")


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
        raise UsageError(f"{path} is not YAML: {_one_line(err)}") from err
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


def _one_line(err: Exception) -> str:
    return " ".join(str(err).split())


def _apply(values: dict[str, Any], override: str) -> None:
    path, equals, text = override.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise UsageError(f"cannot read override {override!r}; expected key=value or key.sub=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as err:
        raise UsageError(f"override {override!r}: the value is not YAML: {_one_line(err)}") from err
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
    if details["type"] == "value_error":  # ours: it names the value, unless that is secret
        return f"{where}: {details['msg'].removeprefix('Value error, ')}"
    return f"{where}: {details['msg']}, got {details['input']!r:.80}"


def _nearest(location: tuple[str | int, ...]) -> str:
    """Name the keys that do exist beside an unknown one."""
    value: Any = _ADAPTER.dump_python(RunConfig())
    for part in location[:-1]:
        value = value[part]
    return f"; there are {', '.join(value)}"
