"""What every store must do, seen through SkillBank: in memory and in Postgres."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from tests.fix_bank import ATTACK

from skillbank import (
    Citation,
    Conflict,
    InvalidQuery,
    InvalidSkill,
    Kind,
    Proposal,
    Provenance,
    Skill,
    SkillBank,
    SkillDraft,
    UnknownSkill,
)

CITED = (Citation(trajectory_id="run-1/episode-3", steps=(0, 4)),)
SOURCE = Provenance(source="distilled", teacher="a-teacher", citations=CITED, cost=0.25)
NOBODY = "00000000-0000-8000-8000-000000000000"


def draft(
    title: str,
    *,
    kind: Kind = "general",
    category: str | None = None,
    principle: str = "Look before you act.",
) -> SkillDraft:
    return SkillDraft(
        title=title,
        principle=principle,
        when_to_apply="always",
        kind=kind,
        category=category,
        provenance=SOURCE,
    )


def adding(new: SkillDraft) -> Proposal:
    return Proposal(action="add", draft=new, reason="seen to help", citations=CITED)


def revising(target: str, new: SkillDraft) -> Proposal:
    return Proposal(
        action="revise", draft=new, targets=(target,), reason="too vague", citations=CITED
    )


def merging(targets: tuple[str, ...], new: SkillDraft) -> Proposal:
    return Proposal(
        action="merge", draft=new, targets=targets, reason="they say the same", citations=CITED
    )


def retiring(target: str) -> Proposal:
    return Proposal(
        action="retire", draft=None, targets=(target,), reason="it harms", citations=CITED
    )


def titles(skills: list[Skill]) -> list[str]:
    return [skill.title for skill in skills]


def test_a_new_bank_is_empty_at_revision_0(bank: SkillBank) -> None:
    assert (bank.revision, bank.skills()) == (0, [])


def test_added_skills_come_back_as_they_went_in(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("Cool it", kind="task", category="cool")])
    assert skill == Skill(
        id=skill.id,
        version=1,
        title="Cool it",
        principle="Look before you act.",
        when_to_apply="always",
        kind="task",
        category="cool",
        status="active",
        status_reason=None,
        provenance=SOURCE,
        created_revision=1,
    )
    assert bank.get(skill.id) == skill
    assert bank.skills() == [skill]


def test_skills_are_listed_in_the_order_they_were_added(bank: SkillBank) -> None:
    names = [f"skill {n}" for n in range(20)]
    added = bank.add([draft(name) for name in names[:12]]) + bank.add(
        [draft(name) for name in names[12:]]
    )
    assert titles(added) == names
    assert titles(bank.skills()) == names


def test_one_write_is_one_revision(bank: SkillBank) -> None:
    bank.add([draft("a"), draft("b")])
    bank.add([draft("c")])
    assert bank.revision == 2


def test_a_text_the_bank_has_gives_the_skill_that_has_it(bank: SkillBank) -> None:
    (first,) = bank.add([draft("Open the fridge")])
    again = bank.add([draft("  open THE\u00a0 fridge "), draft("New")])
    assert again[0] == first
    assert titles(bank.skills()) == ["Open the fridge", "New"]


def test_the_same_text_twice_in_one_write_is_one_skill(bank: SkillBank) -> None:
    first, second = bank.add([draft("Twice"), draft("twice")])
    assert first == second
    assert len(bank.skills()) == 1


def test_a_write_that_adds_nothing_makes_no_revision(bank: SkillBank) -> None:
    bank.add([draft("a")])
    bank.add([draft("A")])
    bank.add([])
    assert bank.revision == 1


def test_the_same_text_in_another_category_is_another_skill(bank: SkillBank) -> None:
    bank.add([draft("a", kind="task", category=name) for name in ("cool", "heat")])
    assert len(bank.skills()) == 2


def test_an_invalid_draft_keeps_the_whole_write_out(bank: SkillBank) -> None:
    with pytest.raises(InvalidSkill, match="title must not be empty"):
        bank.add([draft("fine"), draft(" ")])
    assert (bank.revision, bank.skills()) == (0, [])


def test_a_repeated_key_returns_the_first_answer_and_changes_nothing(bank: SkillBank) -> None:
    first = bank.add([draft("a"), draft("b")], key="batch-1")
    bank.apply([retiring(first[0].id), revising(first[1].id, draft("b2"))])
    assert bank.add([draft("something else")], key="batch-1") == first
    assert bank.revision == 2


def test_a_key_of_another_operation_is_a_conflict(bank: SkillBank) -> None:
    bank.add([draft("a")], key="batch-1")
    with pytest.raises(Conflict, match="'batch-1' was used for 'add'"):
        bank.apply([adding(draft("b"))], key="batch-1")


def test_a_repeated_key_returns_the_first_report(bank: SkillBank) -> None:
    proposals = [adding(draft("a")), retiring(NOBODY)]
    first = bank.apply(proposals, key="evolve-1")
    bank.apply([retiring(first.accepted[0][1].id)])
    assert bank.apply(proposals, key="evolve-1") == first


def test_a_failed_write_leaves_its_key_unused(bank: SkillBank) -> None:
    with pytest.raises(InvalidSkill):
        bank.add([draft("")], key="batch-1")
    assert titles(bank.add([draft("a")], key="batch-1")) == ["a"]


def test_rejected_proposals_block_no_other(bank: SkillBank) -> None:
    (old,) = bank.add([draft("old")])
    report = bank.apply(
        [
            adding(draft("OLD")),
            adding(draft("new")),
            retiring(NOBODY),
            replace(adding(draft("uncited")), citations=()),
            adding(draft("bad\x07")),
            replace(adding(draft("targeted")), targets=(old.id,)),
            retiring("no id at all"),
            merging((old.id,), draft("half")),
        ]
    )
    assert report.revision == bank.revision == 2
    assert [(i, skill.title) for i, skill in report.accepted] == [(1, "new")]
    assert [i for i, _ in report.rejected] == [0, 2, 3, 4, 5, 6, 7]
    reasons = dict(report.rejected)
    assert f"already has this text: skill {old.id} version 1 (active)" in reasons[0]
    assert "no skill" in reasons[2]
    assert "citations must name at least one" in reasons[3]
    assert "U+0007 at position 3" in reasons[4]
    assert "targets must hold 0 for 'add', got 1" in reasons[5]


def test_nothing_accepted_makes_no_revision(bank: SkillBank) -> None:
    assert bank.apply([retiring(NOBODY)]).revision == bank.revision == 0


def test_a_revision_of_a_skill_supersedes_the_version_before(bank: SkillBank) -> None:
    (old,) = bank.add([draft("vague")])
    report = bank.apply([revising(old.id, draft("precise"))])
    new = report.accepted[0][1]
    assert (new.id, new.version, new.created_revision, new.status) == (old.id, 2, 2, "active")
    first, second = bank.history(old.id)
    assert (first.status, first.status_reason) == ("retired", "superseded by version 2")
    assert second == new == bank.get(old.id)
    assert bank.get(old.id, 1) == first
    assert bank.skills() == [new]
    assert bank.skills(status="retired") == []


def test_a_merge_retires_its_targets_and_remembers_them(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    report = bank.apply([merging((one.id, two.id), draft("both"))])
    new = report.accepted[0][1]
    assert bank.skills() == [new]
    assert titles(bank.skills(status="retired")) == ["one", "two"]
    assert bank.get(one.id).status_reason == f"merged into {new.id}: they say the same"
    (change,) = bank.changes(new.id)
    assert (change.action, change.reason, change.citations) == ("merge", "they say the same", CITED)
    assert [(parent.skill_id, parent.version) for parent in change.parents] == [
        (one.id, 1),
        (two.id, 1),
    ]
    assert [change.action for change in bank.changes(one.id)] == ["add", "merge"]


def test_a_retired_skill_is_still_there_at_earlier_revisions(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("doomed")])
    bank.apply([retiring(skill.id)])
    assert bank.skills() == []
    assert bank.skills(revision=1) == [skill]
    assert bank.skills(revision=0, status=None) == []
    assert bank.get(skill.id).status_reason == "it harms"


def test_a_retired_skill_can_be_neither_retired_nor_revised(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("doomed")])
    bank.apply([retiring(skill.id)])
    report = bank.apply([retiring(skill.id), revising(skill.id, draft("risen"))])
    assert [why for _, why in report.rejected] == [f"skill {skill.id} is retired"] * 2


def test_a_candidate_replaces_nothing_that_is_active(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    report = bank.apply(
        [revising(one.id, draft("one, better")), merging((one.id, two.id), draft("both"))],
        status="candidate",
    )
    assert [skill.status for _, skill in report.accepted] == ["candidate", "candidate"]
    assert bank.skills() == [one, two]
    assert titles(bank.skills(status="candidate")) == ["one, better", "both"]
    assert bank.get(one.id) == one


def test_a_newer_candidate_supersedes_the_older_one(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("one")])
    bank.apply([revising(skill.id, draft("better"))], status="candidate")
    bank.apply([revising(skill.id, draft("best"))], status="candidate")
    assert [s.status for s in bank.history(skill.id)] == ["active", "retired", "candidate"]


def test_proposals_of_one_batch_see_each_other(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("v1")])
    report = bank.apply(
        [
            revising(skill.id, draft("v2")),
            adding(draft("V2")),
            revising(skill.id, draft("v3")),
            retiring(skill.id),
            revising(skill.id, draft("v4")),
        ]
    )
    assert [(i, s.version, s.status) for i, s in report.accepted] == [
        (0, 2, "retired"),
        (2, 3, "retired"),
        (3, 3, "retired"),
    ]
    assert [i for i, _ in report.rejected] == [1, 4]
    assert [s.status_reason for s in bank.history(skill.id)] == [
        "superseded by version 2",
        "superseded by version 3",
        "it harms",
    ]


def test_what_the_bank_does_not_have_is_named(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("a")])
    with pytest.raises(UnknownSkill, match="has no skill 'nonsense'"):
        bank.get("nonsense")
    with pytest.raises(UnknownSkill, match=NOBODY):
        bank.history(NOBODY)
    with pytest.raises(UnknownSkill, match="versions 1 to 1, got 2"):
        bank.get(skill.id, 2)
    with pytest.raises(UnknownSkill, match="revisions 0 to 1, got 2"):
        bank.skills(revision=2)
    with pytest.raises(InvalidQuery, match="category must be"):
        bank.retrieve("x", category="a\x00b")


def test_what_the_screen_stops_is_reported_apart_and_remembered(bank: SkillBank) -> None:
    proposals = [adding(draft("fine")), adding(draft("foul", principle=ATTACK)), retiring(NOBODY)]
    report = bank.apply(proposals, key="evolve-1")
    assert [(i, skill.title) for i, skill in report.accepted] == [(0, "fine")]
    ((index, stopped),) = report.quarantined
    assert (index, stopped.title, stopped.status) == (1, "foul", "quarantined")
    assert [i for i, _ in report.rejected] == [2]
    bank.activate(stopped.id, 1, reason="read by a person")
    assert bank.apply(proposals, key="evolve-1") == report
    assert bank.add([draft("foul", principle=ATTACK)])[0].status == "active"


def test_a_candidate_enters_no_prompt_until_it_is_activated(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("untried")], status="candidate")
    assert (bank.skills(), bank.search("untried")) == ([], [])
    bank.activate(skill.id, reason="tried")
    assert titles(bank.skills()) == ["untried"]
    with pytest.raises(InvalidQuery, match="status must be 'active' or 'candidate', got 'retired'"):
        bank.add([draft("x")], status="retired")  # type: ignore[arg-type]  # on purpose


def test_a_key_is_asked_for_by_many_at_once(bank: SkillBank) -> None:
    with ThreadPoolExecutor(16) as threads:
        asked = [threads.submit(bank.add, [draft(f"text {n}")], key="batch-1") for n in range(16)]
    answers = [future.result() for future in asked]
    assert answers.count(answers[0]) == 16
    assert (bank.revision, bank.skills()) == (1, answers[0])


def test_a_revision_holds_one_write_whoever_else_writes(bank: SkillBank) -> None:
    def write(number: int) -> int:
        return bank.add([draft(f"left {number}"), draft(f"right {number}")])[0].created_revision

    with ThreadPoolExecutor(8) as threads:
        made = [threads.submit(write, number) for number in range(24)]
    assert sorted(future.result() for future in made) == list(range(1, 25))
    for revision in range(25):
        assert len(bank.skills(revision=revision)) == 2 * revision


def test_many_at_once_name_one_revision(bank: SkillBank) -> None:
    bank.add([draft("one")])
    with ThreadPoolExecutor(24) as threads:
        made = list(threads.map(lambda n: bank.snapshot(f"name {n % 12}"), range(24)))
    assert {(snapshot.name, snapshot.revision) for snapshot in made} == {
        (f"name {n}", 1) for n in range(12)
    }
    assert len(bank.snapshots()) == 12
