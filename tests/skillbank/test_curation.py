"""What a curator decides, on each kind of bank: versions, lineage, quarantine, rollback."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.fix_bank import ATTACK, OpenBank, draft

from skillbank import (
    Citation,
    Conflict,
    InvalidQuery,
    InvalidSkill,
    Proposal,
    Skill,
    SkillBank,
    SkillRef,
    Snapshot,
    UnknownSkill,
)
from skillbank.store import SkillStore

NOBODY = "00000000-0000-8000-8000-000000000000"
CITED = (Citation(trajectory_id="run-1/episode-3", steps=(2,)),)
Decision = Callable[[SkillBank, Skill, Skill], object]


def titles(skills: list[Skill]) -> list[str]:
    return [skill.title for skill in skills]


def statuses(bank: SkillBank, skill: Skill) -> list[str]:
    return [version.status for version in bank.history(skill.id)]


def test_a_person_revises_without_citations_and_a_program_with(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("vague")])
    second = bank.revise(skill.id, draft("clear"), reason="too vague")
    third = bank.revise(skill.id, draft("clearest"), reason="seen to fail", citations=CITED)
    assert [(s.version, s.created_revision) for s in (second, third)] == [(2, 2), (3, 3)]
    assert bank.skills() == [third]
    _, by_hand, by_program = bank.changes(skill.id)
    assert (by_hand.reason, by_hand.citations) == ("too vague", ())
    assert by_program.citations == CITED
    assert by_program.parents == (SkillRef(skill_id=skill.id, version=2),)


def test_a_merge_names_its_parents_by_age(bank: SkillBank) -> None:
    one, two, three = bank.add([draft("one"), draft("two"), draft("three")])
    new = bank.merge([three.id, one.id], draft("both"), reason="alike")
    assert titles(bank.skills()) == ["two", "both"]
    (change,) = bank.changes(new.id)
    assert [parent.skill_id for parent in change.parents] == [one.id, three.id]
    assert two in bank.skills()


def test_a_split_puts_its_parts_in_the_place_of_one(bank: SkillBank) -> None:
    (whole,) = bank.add([draft("whole")])
    parts = bank.split(whole.id, [draft("left"), draft("right")], reason="two things")
    assert bank.skills() == parts
    assert bank.revision == 2
    assert bank.get(whole.id).status_reason == (
        f"split into {parts[0].id}, {parts[1].id}: two things"
    )
    for part in parts:
        (change,) = bank.changes(part.id)
        assert (change.action, change.parents) == (
            "split",
            (SkillRef(skill_id=whole.id, version=1),),
        )
    assert [change.action for change in bank.changes(whole.id)] == ["add", "split", "split"]


def test_a_split_into_two_that_are_the_same_is_refused(bank: SkillBank) -> None:
    (whole,) = bank.add([draft("whole")])
    with pytest.raises(Conflict, match="must differ"):
        bank.split(whole.id, [draft("left"), draft("LEFT")], reason="two things")
    with pytest.raises(Conflict, match="already has this text"):
        bank.split(whole.id, [draft("left"), draft("whole")], reason="two things")
    with pytest.raises(InvalidSkill, match="must hold 2 to 20 to split, got 1"):
        bank.split(whole.id, [draft("left")], reason="two things")
    assert (bank.revision, bank.skills()) == (1, [whole])


def test_retiring_returns_what_was_retired(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("doomed")])
    gone = bank.retire(skill.id, reason="it harms")
    assert (gone.id, gone.status, gone.status_reason) == (skill.id, "retired", "it harms")
    with pytest.raises(Conflict, match="is retired"):
        bank.retire(skill.id, reason="again")


DECISIONS: dict[str, Decision] = {
    "revise": lambda bank, one, two: bank.revise(one.id, draft("n"), reason="r", base_revision=1),
    "merge": lambda bank, one, two: bank.merge(
        [two.id, one.id], draft("n"), reason="r", base_revision=1
    ),
    "split": lambda bank, one, two: bank.split(
        one.id, [draft("n"), draft("m")], reason="r", base_revision=1
    ),
    "retire": lambda bank, one, two: bank.retire(one.id, reason="r", base_revision=1),
}


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_made_on_an_older_state_is_a_conflict(bank: SkillBank, decision: str) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    bank.revise(one.id, draft("one, better"), reason="by somebody else")
    with pytest.raises(Conflict, match=f"skill {one.id} was changed at revision 2"):
        DECISIONS[decision](bank, one, two)
    assert (bank.revision, titles(bank.skills())) == (2, ["one, better", "two"])


@pytest.mark.parametrize("decision", DECISIONS)
def test_what_changed_elsewhere_is_no_conflict(bank: SkillBank, decision: str) -> None:
    one, two, other = bank.add([draft("one"), draft("two"), draft("other")])
    bank.retire(other.id, reason="by somebody else")
    DECISIONS[decision](bank, one, two)
    assert bank.revision == 3


def test_a_stale_proposal_is_rejected_and_a_fresh_one_is_not(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    bank.revise(one.id, draft("one, better"), reason="r")
    proposals = [
        Proposal(action="retire", draft=None, targets=(id_,), reason="r", citations=CITED)
        for id_ in (one.id, two.id)
    ]
    report = bank.apply(proposals, base_revision=1, key="evolve-1")
    assert [index for index, _ in report.accepted] == [1]
    assert "was changed at revision 2, after the base revision" in report.rejected[0][1]
    assert bank.apply(proposals, base_revision=1, key="evolve-1") == report


@pytest.mark.parametrize("base", [-1, 2, 10**30])
def test_a_base_revision_that_never_was_is_refused(bank: SkillBank, base: int) -> None:
    (skill,) = bank.add([draft("one")])
    with pytest.raises(InvalidQuery, match=f"base_revision must be 0 to 1, got {base}"):
        bank.retire(skill.id, reason="r", base_revision=base)
    assert bank.skills() == [skill]


def test_an_activated_revision_retires_the_versions_before_it(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("one")])
    bank.revise(skill.id, draft("better"), reason="r", status="candidate")
    assert (statuses(bank, skill), titles(bank.skills())) == (["active", "candidate"], ["one"])
    active = bank.activate(skill.id, reason="it won its trial")
    assert (active.version, active.status_reason) == (2, "it won its trial")
    assert statuses(bank, skill) == ["retired", "active"]
    assert bank.changes(skill.id)[-1].action == "activate"


def test_an_older_candidate_does_not_outlive_what_is_activated_after_it(
    open_bank: OpenBank,
) -> None:
    bank = open_bank()
    (skill,) = bank.add([draft("one")], status="candidate")
    bank.revise(skill.id, draft("two", principle=ATTACK), reason="r")
    bank.activate(skill.id, 2, reason="read by a person")
    assert statuses(bank, skill) == ["retired", "active"]
    with pytest.raises(Conflict, match="has no candidate; name the version"):
        bank.activate(skill.id, reason="again")


def test_an_activated_merge_retires_what_it_was_merged_from(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    both = bank.merge([one.id, two.id], draft("both"), reason="alike", status="candidate")
    bank.retire(two.id, reason="meanwhile")
    bank.activate(both.id, reason="tried")
    assert titles(bank.skills()) == ["both"]
    assert bank.get(one.id).status_reason == f"merged into {both.id}: tried"
    assert bank.get(two.id).status_reason == "meanwhile"


def test_an_activated_part_retires_what_was_split(bank: SkillBank) -> None:
    (whole,) = bank.add([draft("whole")])
    left, right = bank.split(
        whole.id, [draft("left"), draft("right")], reason="r", status="candidate"
    )
    assert bank.skills() == [whole]
    bank.activate(left.id, reason="tried")
    assert titles(bank.skills()) == ["left"]
    bank.activate(right.id, reason="tried")
    assert titles(bank.skills()) == ["left", "right"]


def test_an_earlier_version_can_be_made_active_again(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("first")])
    bank.revise(skill.id, draft("second"), reason="r")
    bank.activate(skill.id, 1, reason="the first was better")
    assert (statuses(bank, skill), titles(bank.skills())) == (["active", "retired"], ["first"])
    assert titles(bank.skills(revision=2)) == ["second"]
    with pytest.raises(Conflict, match="version 1 is active already"):
        bank.activate(skill.id, 1, reason="again")


def test_what_the_screen_stops_replaces_nothing(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    (added,) = bank.add([draft("three", principle=ATTACK)])
    revised = bank.revise(one.id, draft("one, worse", principle=ATTACK), reason="r")
    merged = bank.merge([one.id, two.id], draft("both", principle=ATTACK), reason="r")
    parts = bank.split(two.id, [draft("left"), draft("right", principle=ATTACK)], reason="r")
    for stopped in (added, revised, merged, parts[1]):
        assert stopped.status == "quarantined"
        assert stopped.status_reason
    assert titles(bank.skills()) == ["one", "two", "left"]
    with pytest.raises(Conflict, match="is quarantined"):
        bank.retire(added.id, reason="a quarantined text has nothing to retire")


def test_what_was_stopped_replaces_once_it_is_let_in(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    merged = bank.merge([one.id, two.id], draft("both", principle=ATTACK), reason="r")
    bank.activate(merged.id, 1, reason="read by a person")
    assert titles(bank.skills()) == ["both"]


def test_a_bank_without_a_screen_lets_everything_in(open_bank: OpenBank) -> None:
    open_bank(screen=None).add([draft("anything", principle=ATTACK)])
    assert titles(open_bank().skills()) == ["anything"]


def test_quarantine_takes_the_active_version_and_only_that(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("one")])
    bank.revise(skill.id, draft("two"), reason="r")
    bank.revise(skill.id, draft("three"), reason="r", status="candidate")
    stopped = bank.quarantine(skill.id, reason="it lies")
    assert (stopped.version, stopped.status_reason) == (2, "it lies")
    assert statuses(bank, skill) == ["retired", "quarantined", "candidate"]
    assert bank.skills() == []
    with pytest.raises(Conflict, match="version 2 is quarantined already"):
        bank.quarantine(skill.id, 2, reason="again")


def test_a_rollback_is_a_new_revision_with_the_old_skills(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    bank.revise(one.id, draft("one, worse"), reason="r")
    bank.retire(two.id, reason="r")
    bank.add([draft("three")])
    assert bank.rollback(1, reason="all of that was wrong") == bank.revision == 5
    assert titles(bank.skills()) == ["one", "two"]
    assert bank.get(two.id).status_reason == "rolled back to revision 1: all of that was wrong"
    assert titles(bank.skills(revision=4)) == ["one, worse", "three"]
    assert bank.rollback(1, reason="once more") == 5
    with pytest.raises(UnknownSkill, match="revisions 0 to 5, got 6"):
        bank.rollback(6, reason="r")


def test_a_rollback_releases_nothing_from_quarantine(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    bank.quarantine(one.id, reason="it lies")
    bank.retire(two.id, reason="r")
    bank.rollback(1, reason="r")
    assert titles(bank.skills()) == ["two"]
    assert bank.get(one.id).status_reason == "it lies"
    bank.rollback(0, reason="r")
    assert (bank.skills(), bank.get(one.id).status) == ([], "quarantined")


def test_a_snapshot_names_a_revision_for_good(bank: SkillBank) -> None:
    bank.add([draft("one")])
    first = bank.snapshot("before", note="as published")
    assert (
        first == bank.snapshot("before") == Snapshot(name="before", revision=1, note="as published")
    )
    bank.add([draft("two")])
    with pytest.raises(Conflict, match="'before' names revision 1 already"):
        bank.snapshot("before")
    bank.snapshot("after")
    assert [snapshot.name for snapshot in bank.snapshots()] == ["before", "after"]
    assert bank.revision == 2
    bank.rollback(bank.snapshots()[0].revision, reason="r")
    assert titles(bank.skills()) == ["one"]


def test_a_diff_says_what_became_of_the_active_skills(bank: SkillBank) -> None:
    one, two, three = bank.add([draft("one"), draft("two"), draft("three")])
    better = bank.revise(one.id, draft("one, better"), reason="r")
    bank.retire(two.id, reason="r")
    (four,) = bank.add([draft("four")])
    bank.add([draft("five")], status="candidate")
    found = bank.diff(1)
    assert (found.before, found.after) == (1, 5)
    assert (found.added, found.removed, found.revised) == ((four,), (two,), ((one, better),))
    back = bank.diff(5, 1)
    assert [titles(list(part)) for part in (back.added, back.removed)] == [["two"], ["four"]]
    assert bank.diff(3, 3).added == ()
    assert three in bank.skills()


@pytest.mark.parametrize("action", ["revise", "retire", "activate", "quarantine"])
def test_a_decision_about_nothing_names_it(bank: SkillBank, action: str) -> None:
    (skill,) = bank.add([draft("one")])
    arguments = [draft("two")] if action == "revise" else []
    with pytest.raises(UnknownSkill, match=NOBODY):
        getattr(bank, action)(NOBODY, *arguments, reason="r")
    with pytest.raises(UnknownSkill, match="no skill 'x'"):
        getattr(bank, action)("x", *arguments, reason="r")
    with pytest.raises(InvalidSkill, match="reason must not be empty"):
        getattr(bank, action)(skill.id, *arguments, reason=" ")
    assert (bank.revision, bank.skills()) == (1, [skill])


def test_documents_are_kept_by_name_and_replaced(open_store: Callable[[], SkillStore]) -> None:
    store = open_store()
    with store.writing() as writer:
        writer.keep_document("header", '{"a": 1}')
        writer.keep_document("other", "[]")
    with store.writing() as writer:
        writer.keep_document("header", '{"a":  2}')
    assert (store.document("header"), store.document("other")) == ('{"a":  2}', "[]")
    assert (store.document("none"), store.revision()) == (None, 0)
    with suppress(ZeroDivisionError), store.writing() as writer:
        writer.keep_document("header", "{}")
        raise ZeroDivisionError
    assert open_store().document("header") == '{"a":  2}'
