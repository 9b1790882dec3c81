from dataclasses import replace

import pytest

from skillbank import Citation, InvalidSkill, Provenance, SkillDraft
from skillbank.drafts import check_draft, content_digest

DRAFT = SkillDraft(
    title="Cool with the fridge",
    principle="Open the fridge, put it in, close it.",
    when_to_apply="Something must be cold.",
    kind="task",
    category="cool",
    provenance=Provenance(source="manual"),
)


def test_a_sound_draft_passes() -> None:
    check_draft(DRAFT)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("title", "", "title must not be empty, got ''"),
        ("title", "x" * 201, "title has 201 characters, at most 200"),
        ("principle", " \t", "principle must not be empty"),
        ("principle", "x" * 2001, "principle has 2001 characters, at most 2000"),
        ("when_to_apply", "a\nb", r"when_to_apply has the unprintable character U\+000A at"),
        ("title", "a\u202eb", r"U\+202E at position 1"),
        ("title", "a\u200bb", r"U\+200B"),
        ("title", "\ud800", r"U\+D800"),
        ("title", 7, "title must be text, got int"),
        ("kind", "rule", "kind must be one of general, task, mistake, got 'rule'"),
        ("kind", "general", "category must be None for kind 'general', got 'cool'"),
        ("category", None, "category must name a kind of task for kind 'task', got None"),
        ("category", "", "category must not be empty"),
        ("provenance", Provenance(source="manual", cost=-1.0), "provenance.cost must be"),
        ("provenance", Provenance(source="manual", cost=float("nan")), "provenance.cost must be"),
        ("provenance", Provenance(source="manual", teacher=""), "teacher must not be empty"),
        (
            "provenance",
            Provenance(source="manual", citations=(Citation(trajectory_id="t", steps=(-1,)),)),
            "steps must be 0-based step numbers, got -1",
        ),
    ],
)
def test_a_broken_rule_is_named_with_the_value(field: str, value: object, message: str) -> None:
    with pytest.raises(InvalidSkill, match=message):
        check_draft(replace(DRAFT, **{field: value}))  # type: ignore[arg-type]  # on purpose


def test_a_digest_ignores_case_and_white_space_only() -> None:
    same = replace(DRAFT, title=" COOL  with the\u00a0fridge")
    assert content_digest(same) == content_digest(DRAFT)
    for field in ("title", "principle", "when_to_apply", "category"):
        other = replace(DRAFT, **{field: "other"})  # type: ignore[arg-type]  # text fields only
        assert content_digest(other) != content_digest(DRAFT)


def test_a_digest_does_not_confuse_neighbouring_fields() -> None:
    one = replace(DRAFT, title="a b", principle="c")
    two = replace(DRAFT, title="a", principle="b c")
    assert content_digest(one) != content_digest(two)
