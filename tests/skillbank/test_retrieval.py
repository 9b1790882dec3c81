import pytest

from skillbank import Hit, InvalidQuery, Provenance, RetrievalSettings, Skill, render
from skillbank.identity import is_id, new_bank_id, skill_id
from skillbank.retrieval import estimate_tokens, select, within_budget
from skillbank.store import Found

BANK = "6f1f3c0e-0000-4000-8000-000000000000"


def found(ordinal: int, score: float | None) -> Found:
    skill = Skill(
        id=skill_id(BANK, ordinal),
        version=1,
        title=f"skill {ordinal}",
        principle="p",
        when_to_apply="w",
        kind="general",
        category=None,
        status="active",
        status_reason=None,
        provenance=Provenance(source="manual"),
        created_revision=1,
    )
    return Found(skill=skill, score=score)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"mode": "vibes"}, "mode must be one of template, text, embedding, hybrid, got 'vibes'"),
        ({"k_general": -1}, r"k_general must be in \[0, 1000\], got -1"),
        ({"k_task": 1001}, r"k_task must be in \[0, 1000\], got 1001"),
        ({"max_tokens": -5}, "max_tokens must be at least 0, got -5"),
        ({"pool": 0}, r"pool must be in \[1, 10000\], got 0"),
        ({"mode": "hybrid", "diversity": 1.5}, r"diversity must be in \[0, 1\], got 1.5"),
        ({"mode": "text", "diversity": 0.5}, "diversity compares vectors"),
        ({"mode": "hybrid", "min_score": 0.5}, "min_score is for modes 'text' and 'embedding'"),
    ],
)
def test_a_setting_out_of_range_is_refused(setting: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidQuery, match=message):
        RetrievalSettings(**setting)  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("kept", range(5))
def test_a_budget_keeps_as_many_skills_as_fit_exactly(kept: int) -> None:
    hits, _ = select([[found(n, None) for n in range(4)]], RetrievalSettings())
    assert len(within_budget(hits, len(render(hits[:kept])), len)) == min(kept, 4)


def test_a_budget_of_nothing_keeps_no_skill() -> None:
    hits: list[Hit] = select([[found(0, None)]], RetrievalSettings())[0]
    assert within_budget(hits, 0, len) == []


def test_the_guessed_token_count_rounds_up() -> None:
    assert [estimate_tokens(text) for text in ("", "a", "abc", "abcd")] == [0, 1, 1, 2]


def test_skill_ids_sort_by_age_and_differ_between_banks() -> None:
    ids = [skill_id(BANK, ordinal) for ordinal in (0, 1, 255, 256, 2**40)]
    assert ids == sorted(ids)
    assert all(is_id(id_) and id_[14] == "8" for id_ in ids)
    assert skill_id(new_bank_id(), 0) != ids[0]


@pytest.mark.parametrize("text", ["", "x", "6F1F3C0E-0000-4000-8000-000000000000", "0" * 32])
def test_only_the_canonical_form_is_an_id(text: str) -> None:
    assert not is_id(text)
