"""What cannot be done is refused by name, with what would be right, and changes nothing."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.fix_bank import OpenBank, draft
from tests.skillbank.test_store_reading import Exposed, Shown, adding, record

from skillbank import (
    Citation,
    InvalidEvidence,
    InvalidQuery,
    InvalidSkill,
    Origin,
    Proposal,
    Provenance,
    RetrievalSettings,
    Skill,
    SkillBank,
    SkillbankError,
    SkillDraft,
    UnknownSkill,
)
from skillbank.embedders import HashingEmbedder

MEGABYTE = "x" * 1_000_000
HUGE = 10**30
Attempt = Callable[[Any, Skill], object]
"""Tries something with a bank and the one skill in it; untyped, to pass what types forbid."""


def cited(**fields: Any) -> SkillDraft:
    return replace(draft("t"), provenance=Provenance(source="manual", **fields))


def applied(bank: SkillBank, proposal: Proposal) -> None:
    """Raise what a rejected proposal says."""
    for _, why in bank.apply([proposal]).rejected:
        raise InvalidSkill(why)


SKILLS: dict[str, tuple[Attempt, str]] = {
    "a title of a megabyte": (
        lambda bank, skill: bank.add([draft(MEGABYTE)]),
        r"title has 1000000 characters, at most 200 are allowed: 'x+\.\.\.",
    ),
    "a principle of a megabyte": (
        lambda bank, skill: bank.revise(skill.id, draft("t", principle=MEGABYTE), reason="r"),
        "principle has 1000000 characters, at most 2000 are allowed",
    ),
    "a megabyte when to apply": (
        lambda bank, skill: applied(bank, adding(draft("t", when_to_apply=MEGABYTE))),
        "when_to_apply has 1000000 characters, at most 2000 are allowed",
    ),
    "a category of a megabyte": (
        lambda bank, skill: bank.add([draft("t", kind="task", category=MEGABYTE)]),
        "category has 1000000 characters, at most 100 are allowed",
    ),
    "a reason of a megabyte": (
        lambda bank, skill: bank.retire(skill.id, reason=MEGABYTE),
        "reason has 1000000 characters, at most 2000 are allowed",
    ),
    "a trajectory of a megabyte": (
        lambda bank, skill: bank.add([cited(citations=(Citation(trajectory_id=MEGABYTE),))]),
        "trajectory_id has 1000000 characters",
    ),
    "an origin of a megabyte": (
        lambda bank, skill: bank.add(
            [cited(origin=Origin(format="f", id="i", fields=(("a", MEGABYTE),)))]
        ),
        "origin.fields has 1000001 characters, at most 100000 are allowed",
    ),
    "an origin that a database cannot hold": (
        lambda bank, skill: bank.add([cited(origin=Origin(format="f", id="\x00"))]),
        "origin.id must be 1 to 200 visible characters",
    ),
    "a null character": (
        lambda bank, skill: bank.add([draft("a\x00b")]),
        r"title has the unprintable character U\+0000 at position 1",
    ),
    "half a character": (
        lambda bank, skill: bank.add([draft("t", principle="a\ud800")]),
        r"principle has the unprintable character U\+D800 at position 1",
    ),
    "a text that is none": (
        lambda bank, skill: bank.add([draft(7)]),  # type: ignore[arg-type]
        "title must be text, got int",
    ),
    "a kind that is none": (
        lambda bank, skill: bank.add([draft("t", kind="tip")]),  # type: ignore[arg-type]
        "kind must be one of general, task, mistake, got 'tip'",
    ),
    "a step before the first": (
        lambda bank, skill: bank.add(
            [cited(citations=(Citation(trajectory_id="t", steps=(-1,)),))]
        ),
        "steps must be 0-based step numbers, got -1",
    ),
    "a cost that is no number": (
        lambda bank, skill: bank.add([cited(cost=float("nan"))]),
        "cost must be US dollars of at least 0, got nan",
    ),
    "a merge of one": (
        lambda bank, skill: bank.merge([skill.id], draft("t"), reason="r"),
        "targets must hold 2 to 100 for 'merge', got 1",
    ),
    "a merge with itself": (
        lambda bank, skill: bank.merge([skill.id, skill.id], draft("t"), reason="r"),
        "targets must differ",
    ),
}

QUERIES: dict[str, tuple[Attempt, str]] = {
    "an empty query": (lambda bank, skill: bank.search(""), "query must have a visible character"),
    "a query of nothing visible": (
        lambda bank, skill: bank.retrieve(
            "\u200b", category=None, settings=RetrievalSettings(mode="embedding")
        ),
        "query must have a visible character",
    ),
    "a query of a megabyte": (
        lambda bank, skill: bank.search(MEGABYTE),
        "query has 1000000 characters, at most 20000 can be",
    ),
    "no hits": (lambda bank, skill: bank.search("x", 0), r"k must be in \[1, 1000\], got 0"),
    "fewer than no hits": (
        lambda bank, skill: bank.search("x", -3),
        r"k must be in \[1, 1000\], got -3",
    ),
    "half a hit": (lambda bank, skill: bank.search("x", 1.5), r"k must be in \[1, 1000\], got 1.5"),
    "hits in words": (lambda bank, skill: bank.search("x", "5"), r"k must be .*, got '5'"),
    "very many hits": (
        lambda bank, skill: bank.search("x", HUGE),
        r"k must be in \[1, 1000\], got 10{30}",
    ),
    "no kinds": (lambda bank, skill: bank.search("x", kinds=()), "kinds must be some of general,"),
    "a mode to browse in": (
        lambda bank, skill: bank.search("x", mode="template"),
        "mode must be text, embedding or hybrid to search, got 'template'",
    ),
    "a threshold on ranks": (
        lambda bank, skill: bank.search("x", mode="hybrid", min_score=0.5),
        "min_score is for modes 'text' and 'embedding', got mode 'hybrid'",
    ),
    "a threshold that is no number": (
        lambda bank, skill: bank.search("x", min_score=float("nan")),
        "min_score must be a finite number, got nan",
    ),
    "a hidden category": (
        lambda bank, skill: bank.retrieve("x", category="a\x00b"),
        "category must be 1 to 200 visible characters",
    ),
    "a category of nothing": (
        lambda bank, skill: bank.search("x", category=" "),
        "category must be 1 to 200 visible characters, got ' '",
    ),
    "a key of nothing": (
        lambda bank, skill: bank.add([draft("t")], key=""),
        "key must be 1 to 200 visible characters, got ''",
    ),
    "a key of a megabyte": (
        lambda bank, skill: bank.apply([adding(draft("t"))], key=MEGABYTE),
        "key must be 1 to 200 visible characters",
    ),
    "a snapshot without a name": (
        lambda bank, skill: bank.snapshot(""),
        "name must be 1 to 200 visible characters, got ''",
    ),
    "an entry as retired": (
        lambda bank, skill: bank.revise(skill.id, draft("t"), reason="r", status="retired"),
        "status must be 'active' or 'candidate', got 'retired'",
    ),
    "a likeness above one": (
        lambda bank, skill: bank.near_duplicates(threshold=1.5),
        r"threshold must be in \(0, 1\], got 1.5",
    ),
}

UNKNOWN: dict[str, tuple[Attempt, str]] = {
    "a later revision": (lambda bank, skill: bank.skills(revision=2), "revisions 0 to 1, got 2"),
    "a revision before the first": (
        lambda bank, skill: bank.retrieve("x", category=None, revision=-1),
        "revisions 0 to 1, got -1",
    ),
    "a revision that no database can count to": (
        lambda bank, skill: bank.search("x", revision=HUGE),
        "revisions 0 to 1, got 10{30}",
    ),
    "a diff with the future": (lambda bank, skill: bank.diff(0, 2), "revisions 0 to 1, got 2"),
    "a rollback to the future": (
        lambda bank, skill: bank.rollback(2, reason="r"),
        "revisions 0 to 1, got 2",
    ),
    "another version": (
        lambda bank, skill: bank.get(skill.id, HUGE),
        "has versions 1 to 1, got 10",
    ),
    "an id in capitals": (lambda bank, skill: bank.get(skill.id.upper()), "has no skill"),
    "an id that is none": (lambda bank, skill: bank.history(7), "has no skill 7"),
    "an activation of no version": (
        lambda bank, skill: bank.activate(skill.id, 0, reason="r"),
        "has versions 1 to 1, got 0",
    ),
}

EVIDENCE: dict[str, tuple[Attempt, str]] = {
    "a reward that is no number": (
        lambda bank, skill: bank.record(
            Exposed(bank.id, (Shown(skill.id),)),
            success=True,
            reward=float("nan"),
            episode_id="e",
            group_id="g",
        ),
        "reward must be a finite number, got nan",
    ),
    "settings that a database cannot hold": (
        lambda bank, skill: record(
            bank, Exposed(bank.id, (Shown(skill.id),), retrieval={"mode": "\x00"}), "e"
        ),
        "retrieval must be short and printable",
    ),
    "settings of half a character": (
        lambda bank, skill: record(
            bank, Exposed(bank.id, (Shown(skill.id),), retrieval={"mode": "\ud800"}), "e"
        ),
        "retrieval must be short and printable",
    ),
    "a version that is none": (
        lambda bank, skill: record(bank, Exposed(bank.id, (Shown(skill.id, version=2**40),)), "e"),
        "version must be 1 to 2147483647, got 1099511627776",
    ),
    "an episode without a name": (
        lambda bank, skill: record(bank, Exposed(bank.id, (Shown(skill.id),)), ""),
        "episode_id must be 1 to 500 printable characters, got ''",
    ),
}

CASES: list[tuple[str, Attempt, type[SkillbankError], str]] = [
    (name, attempt, error, message)
    for error, cases in (
        (InvalidSkill, SKILLS),
        (InvalidQuery, QUERIES),
        (UnknownSkill, UNKNOWN),
        (InvalidEvidence, EVIDENCE),
    )
    for name, (attempt, message) in cases.items()
]


@pytest.mark.parametrize(
    ("attempt", "error", "message"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_bad_input_is_named_and_changes_nothing(
    open_bank: OpenBank, attempt: Attempt, error: type[SkillbankError], message: str
) -> None:
    bank = open_bank(embedder=HashingEmbedder(64))
    (skill,) = bank.add([draft("kept")])
    with pytest.raises(error, match=message) as caught:
        attempt(bank, skill)
    assert len(str(caught.value)) < 500
    assert (bank.revision, bank.skills(status=None)) == (1, [skill])
    assert (bank.history(skill.id), bank.snapshots()) == ([skill], [])
    assert bank.evidence(skill.id) == []


def test_a_batch_with_one_bad_draft_is_not_written_at_all(bank: SkillBank) -> None:
    with pytest.raises(InvalidSkill, match="title has 1000000 characters"):
        bank.add([draft("fine"), draft(MEGABYTE)], key="batch-1")
    assert (bank.revision, bank.skills()) == (0, [])
    assert [skill.title for skill in bank.add([draft("fine")], key="batch-1")] == ["fine"]


@pytest.mark.parametrize("argument", ["name", "tenant"])
@pytest.mark.parametrize("value", ["", " ", "a\x00b", "a\u202eb", "x" * 201])
def test_a_bank_has_a_visible_name(tmp_path: Path, argument: str, value: str) -> None:
    options: dict[str, Any] = {argument: value}
    with pytest.raises(InvalidQuery, match=f"{argument} must be 1 to 200 visible characters"):
        SkillBank.open(tmp_path / "bank", **options)
    assert not (tmp_path / "bank").exists()


def test_a_directory_has_no_choice_of_schema(tmp_path: Path) -> None:
    with pytest.raises(InvalidQuery, match="schema is for servers; a directory's is 'skillbank'"):
        SkillBank.open(tmp_path / "bank", schema="mine")
    assert list(tmp_path.iterdir()) == []
