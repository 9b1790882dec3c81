"""InMemoryStore: a bank in a dictionary, under the same contract as the database.

Its "text" mode agrees with Postgres on which skills match plain English words, up to the
endings a stemmer knows; its order among matches is its own.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from skillbank.changes import Change, SkillRef
from skillbank.errors import EmbeddingError, ServerError, UnknownSkill
from skillbank.evidence import Episode, Evidence
from skillbank.gate import checked_vector, no_space
from skillbank.identity import new_bank_id
from skillbank.memory_writer import Books, MemoryWriter
from skillbank.skill import Skill, Status
from skillbank.snapshots import Snapshot
from skillbank.store import Found, Result, Search, Space
from skillbank.words import shared_words, words_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class InMemoryStore:
    """Keeps a bank for the life of the object."""

    def __init__(self, name: str) -> None:
        """Make an empty bank called `name`."""
        self._bank_id = new_bank_id()
        self._name = name
        self._lock = threading.RLock()
        self._books: Books | None = Books()

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
    def writing(self) -> Iterator[MemoryWriter]:
        """Hold the write lock; nothing is kept when the block raises."""
        with self._lock:
            # Work on a copy: what is in it is never changed, only replaced.
            writer = MemoryWriter(self._open().copy())
            yield writer
            self._books = writer.books

    def skills(self, revision: int, status: Status | None) -> list[Skill]:
        """Return one version per skill as of `revision`, oldest skill first."""
        chosen: dict[str, Skill] = {}
        for skill in self._open().as_of(revision):
            if skill.status == "active":
                chosen.pop(skill.id, None)
            if status is None or skill.status == status:
                chosen[skill.id] = skill
        return [chosen[id_] for id_ in sorted(chosen)]

    def versions(self, skill_ids: Collection[str], revision: int) -> list[Skill]:
        """Return every version of these skills with its status as of `revision`."""
        found = [skill for skill in self._open().as_of(revision) if skill.id in skill_ids]
        return sorted(found, key=lambda skill: (skill.id, skill.version))

    def search(self, searches: Sequence[Search]) -> list[Result]:
        """Answer several searches on one state of the bank."""
        books = self._open()
        return [_answer(books, search) for search in searches]

    def changes(self, skill_id: str) -> list[Change]:
        """Return the accepted changes a skill took part in, oldest first."""
        return self._open().changes_of(skill_id)

    def snapshots(self) -> list[Snapshot]:
        """Return the snapshots, oldest first."""
        return list(self._open().snapshots.values())

    def document(self, name: str) -> str | None:
        """Return the JSON text kept under a name."""
        return self._open().documents.get(name)

    def space(self, revision: int | None) -> Space | None:
        """Return the vector space in use at a revision; None for the present one."""
        books = self._open()
        return books.space_at(books.revision if revision is None else revision)

    def vectors(self, refs: Collection[SkillRef]) -> dict[SkillRef, "NDArray[np.float32]"]:
        """Return the vectors of versions in the present space, where they have one."""
        books = self._open()
        space = books.space_at(books.revision)
        if space is None:
            return {}
        known = books.vectors[space.model]
        return {ref: known[ref] for ref in refs if ref in known}

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
        return [entry for entry in self.all_evidence() if entry.skill_id == skill_id]

    def all_evidence(self) -> list[Evidence]:
        """Return every skill's part in the recorded episodes, in the order of recording."""
        with self._lock:
            episodes = list(self._open().episodes.values())
        return [
            entry for ep in episodes for entry in sorted(ep.skills, key=lambda part: part.skill_id)
        ]

    def optimize(self) -> None:
        """Do nothing: every search looks at everything."""

    def close(self) -> None:
        """Forget everything."""
        self._books = None

    def _open(self) -> Books:
        if self._books is None:
            raise ServerError(f"bank {self.name!r} is closed; open it again")
        return self._books


def _answer(books: Books, search: Search) -> Result:
    revision = books.revision if search.revision is None else search.revision
    if not 0 <= revision <= books.revision:
        raise UnknownSkill(f"this bank has revisions 0 to {books.revision}, got {revision}")
    skills = [
        skill
        for skill in sorted(books.as_of(revision), key=lambda skill: skill.id)
        if skill.status == "active"
        and skill.kind in search.kinds
        and (search.categories is None or skill.category in search.categories)
    ]
    found = _ranked(books, search, skills, revision)
    if search.per_kind:
        found = [
            item
            for kind in search.kinds
            for item in [item for item in found if item.skill.kind == kind][: search.limit]
        ]
    else:
        found = found[: search.limit]
    if search.with_vectors and found:
        found = _with_vectors(books, found, revision)
    return Result(revision=revision, found=found)


def _ranked(books: Books, search: Search, skills: Sequence[Skill], revision: int) -> list[Found]:
    if search.vector is not None and revision > 0:  # before the first write there is nothing
        return _by_vector(books, search, skills, revision)
    if search.text is None:
        return [Found(skill=skill, score=None) for skill in skills]
    terms = words_of(search.text)
    scored = [Found(skill=skill, score=shared_words(skill, terms)) for skill in skills]
    if search.matches_only:
        scored = [item for item in scored if item.score]
    return sorted(scored, key=_nearness)


def _by_vector(books: Books, search: Search, skills: Sequence[Skill], revision: int) -> list[Found]:
    import numpy as np

    space = books.space_at(revision)
    if space is None:
        raise EmbeddingError(no_space(revision))
    vector = checked_vector(search.vector, space, search.space)
    known = books.vectors[space.model]
    refs = [SkillRef(skill_id=skill.id, version=skill.version) for skill in skills]
    pairs = [(skill, known[ref]) for skill, ref in zip(skills, refs, strict=True) if ref in known]
    if not pairs:
        return []
    scores = np.stack([known for _, known in pairs]) @ vector
    found = [
        Found(skill=skill, score=float(score))
        for (skill, _), score in zip(pairs, scores, strict=True)
    ]
    return sorted(found, key=_nearness)


def _with_vectors(books: Books, found: Sequence[Found], revision: int) -> list[Found]:
    if (space := books.space_at(revision)) is None:
        raise EmbeddingError(no_space(revision))
    known = books.vectors[space.model]
    return [
        replace(item, vector=known[SkillRef(skill_id=item.skill.id, version=item.skill.version)])
        for item in found
    ]


def _nearness(item: Found) -> float:
    # A stable sort: equal scores keep the order of age.
    return -(item.score or 0.0)
