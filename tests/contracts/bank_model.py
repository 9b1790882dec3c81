"""What a bank must do, in plain dictionaries: skills are counted from 0, versions from 1."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from skillbank import Conflict, SkillbankError, UnknownSkill

Entry = Literal["active", "candidate"]
Version = tuple[int, int]
"""(skill, version)"""

SUSPECT = "suspect"
"""A word that the screen of the tests stops."""
LIVE = {"active", "candidate"}


class Refused(Exception):
    """The model refuses with the errors that a bank may raise."""

    def __init__(self, *errors: type[SkillbankError]) -> None:
        self.errors = errors


@dataclass(frozen=True)
class Wish:
    """A proposal with skills counted from 0."""

    action: Literal["add", "revise", "merge", "retire"]
    targets: tuple[int, ...] = ()
    title: str = ""
    entry: Entry = "active"


@dataclass
class Model:
    """What a bank must hold, and how each operation changes it."""

    revision: int = 0
    titles: dict[Version, str] = field(default_factory=dict)
    status: dict[Version, str] = field(default_factory=dict)
    past: dict[int, dict[Version, str]] = field(default_factory=lambda: {0: {}})
    """Revision -> the statuses then."""
    touched: dict[int, int] = field(default_factory=dict)
    """Skill -> the revision that changed it last."""
    parents: dict[Version, tuple[Version, ...]] = field(default_factory=dict)
    """What merged and split skills replace, once they are active."""
    log: list[tuple[int, str, Version, tuple[Version, ...]]] = field(default_factory=list)
    snapshots: dict[str, int] = field(default_factory=dict)

    @property
    def skills(self) -> int:
        return len({skill for skill, _ in self.titles})

    def versions(self, skill: int) -> list[Version]:
        return sorted(version for version in self.titles if version[0] == skill)

    def holder(self, title: str) -> Version | None:
        same = [v for v, known in self.titles.items() if known.casefold() == title.casefold()]
        return same[0] if same else None

    def current(self, skill: int, base: int | None) -> Version:
        """The version that a decision about a skill is about."""
        if not self.versions(skill):
            raise Refused(UnknownSkill)
        if base is not None and self.touched.get(skill, 0) > base:
            raise Refused(Conflict)
        active = [v for v in self.versions(skill) if self.status[v] == "active"]
        live = active or [v for v in self.versions(skill) if self.status[v] in LIVE]
        if not live:
            raise Refused(Conflict)
        return live[-1]

    def enter(self, version: Version, title: str, entry: Entry) -> Version:
        self.titles[version] = title
        self.status[version] = "quarantined" if SUSPECT in title else entry
        return version

    def end(self, skill: int) -> None:
        for version in self.versions(skill):
            if self.status[version] in LIVE:
                self.status[version] = "retired"

    def note(self, action: str, version: Version, *parents: Version) -> Version:
        self.log.append((self.revision + 1, action, version, tuple(sorted(parents))))
        return version

    def commit(self) -> None:
        """Make what has changed since the last revision the next one."""
        before = self.past[self.revision]
        changed = {v[0] for v, status in self.status.items() if before.get(v) != status}
        if not changed:
            return
        self.revision += 1
        self.past[self.revision] = dict(self.status)
        self.touched |= dict.fromkeys(changed, self.revision)

    def decide(self, wish: Wish, base: int | None = None) -> Version:
        targets = [self.current(skill, base) for skill in wish.targets]
        if wish.action == "retire":
            self.end(wish.targets[0])
            return self.note("retire", targets[0])
        if self.holder(wish.title) is not None:
            raise Refused(Conflict)
        if wish.action == "revise":
            return self.revise(targets[0], wish)
        new = self.enter((self.skills, 1), wish.title, wish.entry)
        self.parents[new] = tuple(targets)
        if self.status[new] == "active":
            for skill in wish.targets:
                self.end(skill)
        return self.note(wish.action, new, *targets)

    def revise(self, target: Version, wish: Wish) -> Version:
        older = self.versions(target[0])
        new = self.enter((target[0], older[-1][1] + 1), wish.title, wish.entry)
        for version in older:
            replaced = LIVE if self.status[new] == "active" else {"candidate"}
            if self.status[new] in LIVE and self.status[version] in replaced:
                self.status[version] = "retired"
        return self.note("revise", new, target)

    def split(self, skill: int, titles: Sequence[str], entry: Entry) -> list[Version]:
        parent = self.current(skill, None)
        if len({title.casefold() for title in titles}) < len(titles):
            raise Refused(Conflict)
        if any(self.holder(title) is not None for title in titles):
            raise Refused(Conflict)
        parts = [self.enter((self.skills, 1), title, entry) for title in titles]
        for part in parts:
            self.parents[part] = (parent,)
            self.note("split", part, parent)
        if all(self.status[part] == "active" for part in parts):
            self.end(skill)
        return parts

    def named(self, skill: int, version: int | None, default: Callable[[], int]) -> Version:
        if not self.versions(skill):
            raise Refused(UnknownSkill)
        found = (skill, default() if version is None else version)
        if found not in self.titles:
            raise Refused(UnknownSkill)
        return found

    def activate(self, skill: int, version: int | None) -> Version:
        def candidate() -> int:
            waiting = [v for v in self.versions(skill) if self.status[v] == "candidate"]
            if not waiting:
                raise Refused(Conflict)
            return waiting[-1][1]

        chosen = self.named(skill, version, candidate)
        if self.status[chosen] == "active":
            raise Refused(Conflict)
        for other in self.versions(skill):
            if self.status[other] == "active" or (other < chosen and self.status[other] in LIVE):
                self.status[other] = "retired"
        self.status[chosen] = "active"
        for parent, _ in self.parents.get(chosen, ()):
            self.end(parent)
        return self.note("activate", chosen)

    def quarantine(self, skill: int, version: int | None) -> Version:
        def shown() -> int:
            active = [v for v in self.versions(skill) if self.status[v] == "active"]
            return (active or self.versions(skill))[-1][1]

        chosen = self.named(skill, version, shown)
        if self.status[chosen] == "quarantined":
            raise Refused(Conflict)
        self.status[chosen] = "quarantined"
        return self.note("quarantine", chosen)

    def rollback(self, revision: int) -> None:
        then = self.past[revision]
        for version, status in sorted(self.status.items()):
            new = then.get(version, "retired" if status in LIVE else status)
            if status != "quarantined" and status != new:
                self.status[version] = new
                self.note("rollback", version)

    def listed(self, revision: int, wanted: str | None) -> list[tuple[Version, str]]:
        """What `skills` must return: per skill its last version that none supersedes."""
        chosen: dict[int, tuple[Version, str]] = {}
        for version, status in sorted(self.past[revision].items()):
            if status == "active":
                chosen.pop(version[0], None)
            if wanted in (None, status):
                chosen[version[0]] = (version, status)
        return [chosen[skill] for skill in sorted(chosen)]
