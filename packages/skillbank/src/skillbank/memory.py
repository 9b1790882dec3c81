"""InMemoryStore: a bank in a dictionary, under the same contract as the database.

Its "text" mode agrees with Postgres on which skills match plain English words, up to the
endings a stemmer knows; its order among matches is its own.
"""

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from skillbank.changes import Change, Changes
from skillbank.errors import ServerError, UnknownSkill
from skillbank.evidence import Episode, Evidence
from skillbank.identity import new_bank_id
from skillbank.retrieval import Eligible
from skillbank.skill import Skill, Status
from skillbank.store import Outcome

_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and any are as at be but by for from has have how if in into is it its no not of on "
        "or so some such that the their them then there these they this to was what when where "
        "which while who will with you your",
    )
)


@dataclass(slots=True)
class _Stored:
    """One version: its text, and the statuses it has had with their first revision."""

    skill: Skill
    statuses: list[tuple[int, Status, str | None]]

    def as_of(self, revision: int) -> Skill:
        _, status, reason = [s for s in self.statuses if s[0] <= revision][-1]
        return replace(self.skill, status=status, status_reason=reason)


@dataclass(slots=True)
class _Books:
    """Everything a bank holds."""

    revision: int = 0
    skill_count: int = 0
    versions: dict[tuple[str, int], _Stored] = field(default_factory=dict)
    digests: dict[str, tuple[str, int]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    log: list[Change] = field(default_factory=list)
    episodes: dict[str, Episode] = field(default_factory=dict)


class InMemoryStore:
    """Keeps a bank for the life of the object."""

    def __init__(self, name: str) -> None:
        """Make an empty bank called `name`."""
        self._bank_id = new_bank_id()
        self._name = name
        self._lock = threading.RLock()
        self._books: _Books | None = _Books()

    @property
    def bank_id(self) -> str:
        """The bank's id, a UUID."""
        return self._bank_id

    @property
    def name(self) -> str:
        """The bank's name."""
        return self._name

    def revision(self) -> int:
        """Return the bank's current revision."""
        return self._open().revision

    @contextmanager
    def writing(self) -> Iterator["_MemoryWriter"]:
        """Hold the write lock; nothing is kept when the block raises."""
        with self._lock:
            writer = _MemoryWriter(self._open())
            yield writer
            writer.commit()

    def skills(self, revision: int, status: Status | None) -> list[Skill]:
        """Return one version per skill as of `revision`, oldest skill first."""
        chosen: dict[str, Skill] = {}
        for skill in self._as_of(revision):
            if skill.status == "active":
                chosen.pop(skill.id, None)
            if status is None or skill.status == status:
                chosen[skill.id] = skill
        return [chosen[id_] for id_ in sorted(chosen)]

    def versions(self, skill_ids: Collection[str], revision: int) -> list[Skill]:
        """Return every version of these skills with its status as of `revision`."""
        found = [skill for skill in self._as_of(revision) if skill.id in skill_ids]
        return sorted(found, key=lambda skill: (skill.id, skill.version))

    def eligible(self, category: str | None, revision: int, query: str | None) -> list[Eligible]:
        """Return what may enter a prompt, scored by shared words unless `query` is None."""
        terms = None if query is None else _terms(query)
        return [
            Eligible(skill=skill, score=None if terms is None else _score(skill, terms))
            for skill in self.skills(revision, "active")
            if skill.kind == "general"
            or (category is not None and skill.category == category)
            or (skill.kind == "mistake" and skill.category is None)
        ]

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        return [
            change
            for change in self._open().log
            if skill_id in {change.skill_id, *(parent.skill_id for parent in change.parents)}
        ]

    def record(self, episode: Episode) -> None:
        """Append to the evidence log, unless the episode is in it already."""
        with self._lock:
            books = self._open()
            if episode.episode_id in books.episodes:
                return
            for entry in episode.skills:
                if (entry.skill_id, entry.version) not in books.versions:
                    raise UnknownSkill(
                        f"bank {self.name!r} has no skill {entry.skill_id} version {entry.version}"
                    )
            books.episodes[episode.episode_id] = episode

    def evidence(self, skill_id: str) -> list[Evidence]:
        """Return a skill's part in the recorded episodes, in the order of recording."""
        with self._lock:
            episodes = list(self._open().episodes.values())
        return [entry for ep in episodes for entry in ep.skills if entry.skill_id == skill_id]

    def close(self) -> None:
        """Forget everything."""
        self._books = None

    def _open(self) -> _Books:
        if self._books is None:
            raise ServerError(f"bank {self.name!r} is closed; open it again")
        return self._books

    def _as_of(self, revision: int) -> list[Skill]:
        with self._lock:
            stored = list(self._open().versions.values())
        return [s.as_of(revision) for s in stored if s.skill.created_revision <= revision]


class _MemoryWriter:
    """Collects one write and carries it out at the end, so that an error leaves no trace."""

    def __init__(self, books: _Books) -> None:
        self._books = books
        self._changes: Changes | None = None
        self._outcomes: dict[str, Outcome] = {}

    @property
    def revision(self) -> int:
        """The bank's revision before this write."""
        return self._books.revision

    @property
    def skill_count(self) -> int:
        """Skills in the bank, retired ones included."""
        return self._books.skill_count

    def outcome(self, key: str) -> Outcome | None:
        """Return what was remembered under `key`."""
        return self._books.outcomes.get(key)

    def versions(self, skill_ids: Collection[str]) -> list[Skill]:
        """Return every version of these skills."""
        return [
            stored.as_of(self.revision)
            for (id_, _), stored in self._books.versions.items()
            if id_ in skill_ids
        ]

    def holders(self, digests: Collection[str]) -> dict[str, Skill]:
        """Return, for each digest some version has, that version."""
        return {
            digest: self._books.versions[self._books.digests[digest]].as_of(self.revision)
            for digest in digests
            if digest in self._books.digests
        }

    def save(self, changes: Changes) -> None:
        """Note the changes."""
        self._changes = changes

    def remember(self, key: str, outcome: Outcome) -> None:
        """Note the outcome."""
        self._outcomes[key] = outcome

    def commit(self) -> None:
        """Carry out what was noted."""
        books, changes = self._books, self._changes
        books.outcomes.update(self._outcomes)
        if changes is None:
            return
        for new in changes.versions:
            skill, key = new.skill, (new.skill.id, new.skill.version)
            books.versions[key] = _Stored(
                skill, [(changes.revision, skill.status, skill.status_reason)]
            )
            books.digests[new.digest] = key
        for skill in changes.statuses:
            books.versions[skill.id, skill.version].statuses.append(
                (changes.revision, skill.status, skill.status_reason)
            )
        books.log.extend(changes.log)
        books.skill_count = changes.skill_count
        books.revision = changes.revision


def _terms(text: str) -> frozenset[str]:
    words = re.findall(r"[^\W_]+", text.casefold())
    return frozenset(_stem(word) for word in words if word not in _STOP_WORDS)


def _stem(word: str) -> str:
    stem = re.sub(r"(?<=\w{3})(?:ing|ed|es|s)$", "", word)
    return re.sub(r"(?<=\w{2})(?:e|(?<=(.))\1)$", "", stem)


def _score(skill: Skill, terms: frozenset[str]) -> float:
    words = _terms(f"{skill.title} {skill.principle} {skill.when_to_apply}")
    return float(len(terms & words))
