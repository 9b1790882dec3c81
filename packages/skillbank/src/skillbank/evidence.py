"""Evidence: what was shown or withheld in an episode, and how the episode ended.

The log only grows. What was withheld is as important as what was shown, and nothing
in it is text: ids, numbers and flags.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from skillbank.errors import InvalidEvidence
from skillbank.identity import is_id

Scalar = str | int | float | bool | None


class ExposedSkill(Protocol):
    """One eligible skill of one episode, as another package describes it."""

    @property
    def skill_id(self) -> str:
        """Its id in the bank."""
        ...

    @property
    def version(self) -> int:
        """Its version."""
        ...

    @property
    def shown(self) -> bool:
        """Whether it was in the prompt."""
        ...

    @property
    def propensity(self) -> float:
        """Probability, in (0, 1], with which the design did what it did here."""
        ...

    @property
    def corrupted(self) -> bool:
        """Whether its text was falsified on purpose."""
        ...


class ExposureLike(Protocol):
    """Every skill that was eligible for one episode, as another package describes it."""

    @property
    def skills(self) -> Sequence[ExposedSkill]:
        """One entry per eligible skill."""
        ...

    @property
    def bank_id(self) -> str:
        """The bank the ids belong to."""
        ...

    @property
    def bank_revision(self) -> int:
        """The revision the skills were retrieved at."""
        ...

    @property
    def retrieval(self) -> Mapping[str, Scalar]:
        """The settings that made these skills eligible."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One skill's part in one finished episode."""

    schema_version: ClassVar[int] = 1

    skill_id: str
    version: int
    shown: bool
    propensity: float
    """Probability, in (0, 1], with which the logged design did what it did here."""
    corrupted: bool
    """Shown with its text falsified on purpose; never evidence."""
    success: bool
    reward: float
    episode_id: str
    group_id: str
    """Episodes of the same task from the same start share it."""
    bank_revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Episode:
    """One entry of the log, checked."""

    episode_id: str
    group_id: str
    success: bool
    reward: float
    bank_revision: int
    retrieval: Mapping[str, Scalar]
    skills: tuple[Evidence, ...]


def episode_of(
    exposure: ExposureLike, *, success: bool, reward: float, episode_id: str, group_id: str
) -> Episode:
    """Return the log entry for one finished episode.

    Raises:
        InvalidEvidence: an id that is no id, a skill named twice, a propensity outside
            (0, 1], a reward that is not finite, or settings that are not plain values.
    """
    if not math.isfinite(reward):
        raise InvalidEvidence(f"reward must be a finite number, got {reward!r}")
    _check_label("episode_id", episode_id)
    _check_label("group_id", group_id)
    ids = [entry.skill_id for entry in exposure.skills]
    if len(set(ids)) < len(ids):
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise InvalidEvidence(f"skills must name each skill once, got {twice!r} more than once")
    revision = exposure.bank_revision
    return Episode(
        episode_id=episode_id,
        group_id=group_id,
        success=success,
        reward=float(reward),
        bank_revision=revision,
        retrieval=_plain(exposure.retrieval),
        skills=tuple(
            _evidence(entry, success, float(reward), episode_id, group_id, revision)
            for entry in exposure.skills
        ),
    )


def _evidence(
    entry: ExposedSkill, success: bool, reward: float, episode_id: str, group_id: str, revision: int
) -> Evidence:
    if not is_id(entry.skill_id):
        raise InvalidEvidence(f"skill_id must be a skill's id, got {entry.skill_id!r:.60}")
    if not 1 <= entry.version < 2**31:
        raise InvalidEvidence(
            f"version must be 1 to {2**31 - 1}, got {entry.version} for skill {entry.skill_id}"
        )
    if not 0.0 < entry.propensity <= 1.0:
        raise InvalidEvidence(
            f"propensity must be in (0, 1], got {entry.propensity} for skill {entry.skill_id}"
        )
    return Evidence(
        skill_id=entry.skill_id,
        version=entry.version,
        shown=entry.shown,
        propensity=float(entry.propensity),
        corrupted=entry.corrupted,
        success=success,
        reward=reward,
        episode_id=episode_id,
        group_id=group_id,
        bank_revision=revision,
    )


def _check_label(field: str, value: str) -> None:
    if not value or not value.isprintable() or len(value) > 500:
        raise InvalidEvidence(f"{field} must be 1 to 500 printable characters, got {value!r:.60}")


def _plain(settings: Mapping[str, Scalar]) -> dict[str, Scalar]:
    try:
        text = json.dumps(dict(settings), allow_nan=False, ensure_ascii=False)
        text.encode()  # half a character is none
    except UnicodeEncodeError as err:
        raise InvalidEvidence(f"retrieval must be short and printable: {err}") from err
    except (TypeError, ValueError) as err:
        raise InvalidEvidence(f"retrieval must hold plain finite values only: {err}") from err
    if "\\u0000" in text or len(text) > 20_000:
        raise InvalidEvidence(f"retrieval must be short and printable, got {text[:60]!r}")
    return dict(settings)
