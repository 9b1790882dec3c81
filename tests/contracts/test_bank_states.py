"""Any sequence of operations leaves a bank as a model of plain dictionaries says.

Runs a fixed set of sequences. SKILLBANK_STATE_EXAMPLES=1000 draws that many new ones.
"""

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.contracts.bank_model import SUSPECT, Entry, Model, Refused, Version, Wish
from tests.fix_bank import draft

from skillbank import (
    Change,
    Citation,
    Conflict,
    Proposal,
    Skill,
    SkillBank,
    SkillDraft,
)
from skillbank.database import Database
from skillbank.embedders import HashingEmbedder
from skillbank.identity import skill_id
from skillbank.memory import InMemoryStore
from skillbank.postgres import PostgresStore
from skillbank.retrieval import Mode
from skillbank.screen import Finding
from skillbank.store import SkillStore

CITED = (Citation(trajectory_id="run-1/episode-3"),)
WORDS = ("apple", "basin", "cabinet", "drawer", SUSPECT)


def ordinal(id_: str) -> int:
    """Which skill of its bank an id names, counted from 0."""
    return int(id_.replace("-", "")[:12], 16)


def screen(new: SkillDraft) -> tuple[Finding, ...]:
    finding = Finding(rule="test", field="title", excerpt=SUSPECT, why="it is suspect")
    return (finding,) if SUSPECT in new.title else ()


SKILL = st.integers(0, 7)
PICK = st.integers(0, 30)
TITLE = st.builds("{} {} {}".format, st.sampled_from(WORDS), st.sampled_from(WORDS), PICK)
ENTRY = st.sampled_from(["active", "candidate"])
BACK = st.sampled_from([None, None, 0, 1, 3])
"""How many revisions ago something was read, where that matters."""


def fitting(action: Literal["add", "revise", "merge", "retire"]) -> st.SearchStrategy[Wish]:
    fewest, most = {"add": (0, 0), "revise": (1, 1), "merge": (2, 3), "retire": (1, 1)}[action]
    targets = st.lists(SKILL, min_size=fewest, max_size=most, unique=True).map(tuple)
    title = st.just("") if action == "retire" else TITLE
    return st.builds(Wish, action=st.just(action), targets=targets, title=title)


WISH = st.one_of(fitting("add"), fitting("revise"), fitting("merge"), fitting("retire"))
MODE = st.sampled_from(["text", "embedding", "hybrid"])


class BankStates(RuleBasedStateMachine):
    """Does the same to a bank and to the model."""

    def __init__(self, new_store: Callable[[], SkillStore]) -> None:
        super().__init__()
        self._new_store = new_store
        self.model = Model()

    @initialize()
    def open(self) -> None:
        self.bank = SkillBank(self._new_store(), embedder=HashingEmbedder(64), screen=screen)
        # Most of the skills that the rules name; and a search needs a vector to compare with.
        self.add([f"skill {number}" for number in range(6)], "active")

    def id(self, skill: int) -> str:
        return skill_id(self.bank.id, skill)

    def some(self, pick: int, *statuses: str) -> Version:
        """One of the versions with these statuses, or of all where there is none."""
        found = [v for v, status in self.model.status.items() if status in statuses]
        versions = sorted(found or self.model.titles)
        return versions[pick % len(versions)]

    def seen(self, skill: Skill) -> tuple[Version, str]:
        return (ordinal(skill.id), skill.version), skill.status

    def both(
        self, real: Callable[[], Skill | list[Skill]], model: Callable[[], Version | list[Version]]
    ) -> None:
        """Do it to both; they must come to the same, or refuse for the same reason."""
        try:
            expected = model()
        except Refused as refused:
            with pytest.raises(refused.errors):
                real()
            return
        self.model.commit()
        done, wanted = real(), expected if isinstance(expected, list) else [expected]
        found = [self.seen(skill) for skill in (done if isinstance(done, list) else [done])]
        assert found == [(version, self.model.status[version]) for version in wanted]

    def base(self, back: int | None) -> int | None:
        return None if back is None else max(0, self.model.revision - back)

    @rule(titles=st.lists(TITLE, min_size=1, max_size=3), entry=ENTRY)
    def add(self, titles: list[str], entry: Entry) -> None:
        def model() -> list[Version]:
            return [
                self.model.holder(title) or self.model.decide(Wish("add", title=title, entry=entry))
                for title in titles
            ]

        drafts = [draft(title) for title in titles]
        self.both(lambda: self.bank.add(drafts, status=entry), model)

    @rule(wish=fitting("revise"), entry=ENTRY, back=BACK)
    def revise(self, wish: Wish, entry: Entry, back: int | None) -> None:
        target, new, base = self.id(wish.targets[0]), draft(wish.title), self.base(back)
        self.both(
            lambda: self.bank.revise(target, new, reason="r", status=entry, base_revision=base),
            lambda: self.model.decide(replace(wish, entry=entry), base),
        )

    @rule(wish=fitting("merge"), entry=ENTRY, back=BACK)
    def merge(self, wish: Wish, entry: Entry, back: int | None) -> None:
        targets, new, base = [self.id(t) for t in wish.targets], draft(wish.title), self.base(back)
        self.both(
            lambda: self.bank.merge(targets, new, reason="r", status=entry, base_revision=base),
            lambda: self.model.decide(replace(wish, entry=entry), base),
        )

    @rule(skill=SKILL, titles=st.lists(TITLE, min_size=2, max_size=3), entry=ENTRY)
    def split(self, skill: int, titles: list[str], entry: Entry) -> None:
        drafts = [draft(title) for title in titles]
        self.both(
            lambda: self.bank.split(self.id(skill), drafts, reason="r", status=entry),
            lambda: self.model.split(skill, titles, entry),
        )

    @rule(wish=fitting("retire"), back=BACK)
    def retire(self, wish: Wish, back: int | None) -> None:
        target, base = self.id(wish.targets[0]), self.base(back)
        self.both(
            lambda: self.bank.retire(target, reason="r", base_revision=base),
            lambda: self.model.decide(wish, base),
        )

    @rule(pick=PICK, named=st.booleans())
    def activate(self, pick: int, named: bool) -> None:
        skill, number = self.some(pick, "candidate", "quarantined", "retired")
        version = number if named else None
        self.both(
            lambda: self.bank.activate(self.id(skill), version, reason="r"),
            lambda: self.model.activate(skill, version),
        )

    @rule(pick=PICK, named=st.booleans())
    def quarantine(self, pick: int, named: bool) -> None:
        skill, number = self.some(pick, "active", "candidate", "retired")
        version = number if named else None
        self.both(
            lambda: self.bank.quarantine(self.id(skill), version, reason="r"),
            lambda: self.model.quarantine(skill, version),
        )

    @rule(skill=SKILL, version=st.integers(-1, 4))
    def ask_for_any_version(self, skill: int, version: int) -> None:
        change = self.bank.activate if version % 2 else self.bank.quarantine
        model = self.model.activate if version % 2 else self.model.quarantine
        self.both(
            lambda: change(self.id(skill), version, reason="r"), lambda: model(skill, version)
        )

    @rule(back=st.integers(0, 6))
    def rollback(self, back: int) -> None:
        revision = max(0, self.model.revision - back)
        self.model.rollback(revision)
        self.model.commit()
        assert self.bank.rollback(revision, reason="r") == self.model.revision

    @rule(wishes=st.lists(WISH, min_size=1, max_size=3), entry=ENTRY, back=BACK)
    def apply(self, wishes: list[Wish], entry: Entry, back: int | None) -> None:
        base = self.base(back)
        accepted: list[tuple[int, Version]] = []
        for index, wish in enumerate(wishes):
            with suppress(Refused):
                accepted.append((index, self.model.decide(replace(wish, entry=entry), base)))
        self.model.commit()
        proposals = [
            Proposal(
                action=wish.action,
                draft=draft(wish.title) if wish.title else None,
                targets=tuple(self.id(target) for target in wish.targets),
                reason="r",
                citations=CITED,
            )
            for wish in wishes
        ]
        report = self.bank.apply(proposals, status=entry, base_revision=base)
        assert report.revision == self.model.revision
        done = sorted([*report.accepted, *report.quarantined], key=lambda pair: pair[0])
        assert [(index, self.seen(skill)) for index, skill in done] == [
            (index, (version, self.model.status[version])) for index, version in accepted
        ]

    @rule(name=st.sampled_from(["first", "second"]))
    def snapshot(self, name: str) -> None:
        if self.model.snapshots.setdefault(name, self.model.revision) == self.model.revision:
            assert self.bank.snapshot(name).revision == self.model.revision
        else:
            with pytest.raises(Conflict):
                self.bank.snapshot(name)

    @rule(word=st.sampled_from(WORDS), mode=MODE, back=BACK)
    def search(self, word: str, mode: Mode, back: int | None) -> None:
        revision = None if back is None else max(1, self.model.revision - back)
        listed = self.model.listed(self.model.revision if revision is None else revision, "active")
        if mode == "text":
            listed = [seen for seen in listed if word in self.model.titles[seen[0]].split()]
        hits = self.bank.search(word, 100, mode=mode, revision=revision)
        assert sorted(self.seen(hit.skill) for hit in hits) == listed

    @rule(one=st.integers(0, 9), two=st.integers(0, 9))
    def diff(self, one: int, two: int) -> None:
        before, after = (max(0, self.model.revision - back) for back in (one, two))
        found = self.bank.diff(before, after)
        old, new = (dict(v for v, _ in self.model.listed(r, "active")) for r in (before, after))
        assert [self.seen(s)[0] for s in found.added] == [v for v in new.items() if v[0] not in old]
        assert [self.seen(s)[0] for s in found.removed] == [
            v for v in old.items() if v[0] not in new
        ]
        assert [(self.seen(a)[0], self.seen(b)[0]) for a, b in found.revised] == [
            (v, (v[0], new[v[0]])) for v in old.items() if v[0] in new and new[v[0]] != v[1]
        ]

    @invariant()
    def shows_what_is_active(self) -> None:
        expected = self.model.listed(self.model.revision, "active")
        assert [self.seen(skill) for skill in self.bank.skills()] == expected
        assert self.bank.revision == self.model.revision

    def teardown(self) -> None:
        for revision in range(self.model.revision + 1):
            for status in (None, "candidate"):
                skills = self.bank.skills(revision=revision, status=status)
                assert [self.seen(skill) for skill in skills] == self.model.listed(revision, status)
        for skill in range(self.model.skills):
            versions = self.bank.history(self.id(skill))
            assert [(*self.seen(s), s.title) for s in versions] == [
                (v, self.model.status[v], self.model.titles[v]) for v in self.model.versions(skill)
            ]
            assert [self.told(change) for change in self.bank.changes(self.id(skill))] == [
                entry
                for entry in self.model.log
                if skill in {entry[2][0], *(parent[0] for parent in entry[3])}
            ]
        named = {snapshot.name: snapshot.revision for snapshot in self.bank.snapshots()}
        assert named == self.model.snapshots

    def told(self, change: Change) -> tuple[int, str, Version, tuple[Version, ...]]:
        parents = tuple((ordinal(parent.skill_id), parent.version) for parent in change.parents)
        return change.revision, change.action, (ordinal(change.skill_id), change.version), parents


def run(new_store: Callable[[], SkillStore], examples: int) -> None:
    class States(BankStates):
        def __init__(self) -> None:
            super().__init__(new_store)

    drawn = os.environ.get("SKILLBANK_STATE_EXAMPLES")
    run_state_machine_as_test(
        States,
        settings=settings(
            max_examples=int(drawn) if drawn else examples,
            derandomize=drawn is None,
            stateful_step_count=40,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_bank_in_memory_is_as_the_model_says() -> None:
    run(lambda: InMemoryStore("default"), examples=100)


def test_a_bank_in_a_database_is_as_the_model_says(embedded_database: Database) -> None:
    run(lambda: PostgresStore(embedded_database, uuid.uuid4().hex), examples=15)
