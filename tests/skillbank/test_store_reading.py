"""What every store must do when it is read: retrieval and evidence, on each kind of bank."""

from dataclasses import dataclass, field

import pytest
from tests.fix_bank import draft

from skillbank import (
    Citation,
    InvalidEvidence,
    Proposal,
    RetrievalSettings,
    SkillBank,
    SkillDraft,
    UnknownSkill,
    render,
)
from skillbank.estimators import summarise

NOBODY = "00000000-0000-8000-8000-000000000000"
CITED = (Citation(trajectory_id="run-1/episode-3"),)


def adding(new: SkillDraft) -> Proposal:
    return Proposal(action="add", draft=new, reason="seen to help", citations=CITED)


def retiring(target: str) -> Proposal:
    return Proposal(
        action="retire", draft=None, targets=(target,), reason="it harms", citations=CITED
    )


@pytest.fixture
def stocked(bank: SkillBank) -> SkillBank:
    bank.add(
        [
            draft("tidy", kind="mistake", principle="Never leave drawers open."),
            draft("g1", principle="Check the counter before anything else."),
            draft("cool 1", kind="task", category="cool", principle="Open the fridge."),
            draft("heat 1", kind="task", category="heat", principle="Use the microwave."),
            draft("g2", principle="Carry one tomato at a time."),
            draft("burn", kind="mistake", category="heat", principle="Do not overheat."),
            draft("cool 2", kind="task", category="cool", principle="Cool the tomato quickly."),
            draft("freeze", kind="mistake", category="cool", principle="Do not freeze apples."),
        ]
    )
    return bank


def found(bank: SkillBank, settings: RetrievalSettings, query: str = "x") -> list[str]:
    hits = bank.retrieve(query, category="cool", settings=settings).hits
    assert [hit.rank for hit in hits] == list(range(len(hits)))
    return [hit.skill.title for hit in hits]


def test_template_gives_general_then_the_category_then_mistakes(stocked: SkillBank) -> None:
    assert found(stocked, RetrievalSettings()) == ["g1", "g2", "cool 1", "cool 2", "tidy", "freeze"]


def test_without_a_category_only_general_skills_and_mistakes_apply(stocked: SkillBank) -> None:
    hits = stocked.retrieve("x", category=None).hits
    assert [hit.skill.title for hit in hits] == ["g1", "g2", "tidy"]
    assert {hit.score for hit in hits} == {None}


def test_k_caps_each_kind(stocked: SkillBank) -> None:
    settings = RetrievalSettings(k_general=1, k_task=1, k_mistakes=0)
    assert found(stocked, settings) == ["g1", "cool 1"]


def test_text_puts_matches_first_within_each_kind(stocked: SkillBank) -> None:
    settings = RetrievalSettings(mode="text")
    assert found(stocked, settings, "put a cooled tomato or two apples on the table") == [
        "g2",
        "g1",
        "cool 2",
        "cool 1",
        "freeze",
        "tidy",
    ]


def test_text_without_any_match_is_in_the_order_of_adding(stocked: SkillBank) -> None:
    settings = RetrievalSettings(mode="text")
    assert found(stocked, settings, "zzz") == ["g1", "g2", "cool 1", "cool 2", "tidy", "freeze"]


@pytest.mark.parametrize(
    "query", ["", "'", "a & !b | (c", "\\", "\x00\n", "💡 \ud800", "the of", ":*"]
)
def test_text_takes_any_query(stocked: SkillBank, query: str) -> None:
    assert len(found(stocked, RetrievalSettings(mode="text"), query)) == 6


def test_retrieval_at_a_pinned_revision_does_not_change(stocked: SkillBank) -> None:
    before = stocked.retrieve("x", category="cool")
    stocked.apply([retiring(before.hits[0].skill.id), adding(draft("later"))])
    assert stocked.retrieve("x", category="cool", revision=before.revision) == before
    assert stocked.retrieve("x", category="cool").revision == before.revision + 1


def test_candidates_are_never_retrieved(stocked: SkillBank) -> None:
    stocked.add([draft("untried")], status="candidate")
    assert "untried" not in found(stocked, RetrievalSettings())


def test_a_token_budget_drops_whole_skills_from_the_end(stocked: SkillBank) -> None:
    everything = stocked.retrieve("x", category="cool").hits
    limit = len(render(everything[:3]))
    got = stocked.retrieve(
        "x", category="cool", settings=RetrievalSettings(max_tokens=limit), count_tokens=len
    )
    assert got.hits == everything[:3]


@dataclass(frozen=True)
class Shown:
    skill_id: str
    version: int = 1
    shown: bool = True
    propensity: float = 0.5
    corrupted: bool = False


@dataclass(frozen=True)
class Exposed:
    bank_id: str
    skills: tuple[Shown, ...]
    bank_revision: int = 1
    retrieval: dict[str, str | int | float | bool | None] = field(default_factory=dict)


def record(bank: SkillBank, exposure: Exposed, episode_id: str, *, success: bool = True) -> None:
    bank.record(
        exposure, success=success, reward=float(success), episode_id=episode_id, group_id="g"
    )


def test_evidence_keeps_what_was_shown_and_what_was_withheld(bank: SkillBank) -> None:
    one, two = bank.add([draft("one"), draft("two")])
    shown = Exposed(bank.id, (Shown(one.id), Shown(two.id, shown=False, propensity=0.25)))
    record(bank, shown, "e2")
    record(
        bank, Exposed(bank.id, (Shown(two.id),), retrieval={"mode": "text"}), "e1", success=False
    )
    (first, second) = bank.evidence(two.id)
    assert (first.episode_id, first.shown, first.propensity, first.success) == (
        "e2",
        False,
        0.25,
        True,
    )
    assert (second.episode_id, second.shown, second.reward, second.group_id) == (
        "e1",
        True,
        0.0,
        "g",
    )
    assert [entry.episode_id for entry in bank.evidence(one.id)] == ["e2"]
    assert bank.revision == 1


def test_the_first_record_of_an_episode_stands(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("one")])
    record(bank, Exposed(bank.id, (Shown(skill.id),)), "e1")
    record(bank, Exposed(bank.id, (Shown(skill.id, shown=False),)), "e1", success=False)
    assert [entry.success for entry in bank.evidence(skill.id)] == [True]


def test_an_episode_with_an_unknown_version_is_not_recorded(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("one")])
    with pytest.raises(UnknownSkill):
        record(bank, Exposed(bank.id, (Shown(skill.id), Shown(NOBODY))), "e1")
    with pytest.raises(UnknownSkill):
        record(bank, Exposed(bank.id, (Shown(skill.id, version=2),)), "e1")
    with pytest.raises(UnknownSkill, match="revisions 0 to 1, got 9"):
        record(bank, Exposed(bank.id, (Shown(skill.id),), bank_revision=9), "e1")
    assert bank.evidence(skill.id) == []


def test_impossible_evidence_is_refused(bank: SkillBank) -> None:
    (skill,) = bank.add([draft("one")])
    with pytest.raises(InvalidEvidence, match="bank_id must be this bank's"):
        record(bank, Exposed(NOBODY, (Shown(skill.id),)), "e1")
    with pytest.raises(InvalidEvidence, match=r"propensity must be in \(0, 1\], got 0"):
        record(bank, Exposed(bank.id, (Shown(skill.id, propensity=0.0),)), "e1")
    with pytest.raises(InvalidEvidence, match="more than once"):
        record(bank, Exposed(bank.id, (Shown(skill.id), Shown(skill.id))), "e1")


def test_estimates_take_a_skills_versions_together(bank: SkillBank) -> None:
    one, two, never = bank.add([draft("one"), draft("two"), draft("never used")])
    for number, success in enumerate([True, True, False]):
        record(bank, Exposed(bank.id, (Shown(one.id),)), f"e{number}", success=success)
    bank.revise(one.id, draft("one, better"), reason="r")
    later = (Shown(one.id, version=2), Shown(two.id, shown=False))
    record(bank, Exposed(bank.id, later, bank_revision=2), "e3", success=True)
    found = bank.estimates()
    assert found[one.id] == summarise(bank.evidence(one.id), total_uses=4)
    assert (found[one.id].uses, found[one.id].wins) == (4, 3)
    assert found[two.id].uses == 0
    assert never.id not in found


def test_a_revision_can_be_pinned_before_there_were_skills(stocked: SkillBank) -> None:
    assert stocked.retrieve("x", category="cool", revision=0).hits == ()
    assert stocked.search("tomato", revision=0) == []
    with pytest.raises(UnknownSkill, match="revisions 0 to 1, got 2"):
        stocked.search("tomato", revision=2)
    with pytest.raises(UnknownSkill, match="revisions 0 to 1, got -1"):
        stocked.retrieve("x", category=None, revision=-1)
    with pytest.raises(UnknownSkill, match="revisions 0 to 1, got 5"):
        stocked.diff(0, 5)
