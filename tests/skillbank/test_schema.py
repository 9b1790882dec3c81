import json
from dataclasses import replace
from pathlib import Path

import pytest

from skillbank import (
    Change,
    Citation,
    Evidence,
    Hit,
    Origin,
    Proposal,
    Provenance,
    SchemaError,
    Skill,
    SkillDraft,
    SkillRef,
    Snapshot,
    from_json,
    from_record,
    to_json,
    to_record,
)
from skillbank.schema import Versioned

GOLDEN = Path(__file__).parent / "golden"

CITATION = Citation(trajectory_id="run-1/episode-3", steps=(0, 4))
PROVENANCE = Provenance(
    source="distilled",
    teacher="a-teacher",
    prompt_hash="ab" * 32,
    citations=(CITATION,),
    cost=0.0125,
    origin=Origin(format="jsonl", id="00000000-0007-8abc-9def-0123456789ab", version=2),
)
DRAFT = SkillDraft(
    title="Cool with the fridge",
    principle="Open the fridge, put it in, close it, take it out.",
    when_to_apply="Something must be cold: «très froid».",
    kind="task",
    category="pick_cool_then_place",
    provenance=PROVENANCE,
)
SKILL = Skill(
    id="00000000-0007-8abc-9def-0123456789ab",
    version=2,
    title=DRAFT.title,
    principle=DRAFT.principle,
    when_to_apply=DRAFT.when_to_apply,
    kind="task",
    category="pick_cool_then_place",
    status="retired",
    status_reason="superseded by version 3",
    provenance=PROVENANCE,
    created_revision=9,
)
VALUES: dict[str, Versioned] = {
    "origin": Origin(format="skillrl", id="gen_001", version=1, fields=(("example", '"x"'),)),
    "snapshot": Snapshot(name="before training", revision=9, note="the 55 published skills"),
    "citation": CITATION,
    "provenance": PROVENANCE,
    "skill_draft": DRAFT,
    "skill": SKILL,
    "hit": Hit(skill=SKILL, rank=0, score=0.5),
    "proposal": Proposal(
        action="revise",
        draft=DRAFT,
        targets=(SKILL.id,),
        reason="too vague",
        citations=(CITATION,),
    ),
    "change": Change(
        revision=9,
        action="revise",
        skill_id=SKILL.id,
        version=2,
        parents=(SkillRef(skill_id=SKILL.id, version=1),),
        reason="too vague",
        citations=(CITATION,),
    ),
    "evidence": Evidence(
        skill_id=SKILL.id,
        version=2,
        shown=False,
        propensity=0.25,
        corrupted=False,
        success=True,
        reward=10.0,
        episode_id="run-1/episode-3",
        group_id="run-1/task-1",
        bank_revision=9,
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_a_value_is_written_as_its_golden_file(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    assert to_record(VALUES[name]) == golden


@pytest.mark.parametrize("name", VALUES)
def test_a_golden_file_is_read_as_its_value(name: str) -> None:
    text = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert from_json(type(VALUES[name]), text) == VALUES[name]


def test_a_record_of_the_version_before_is_still_read() -> None:
    text = (GOLDEN / "skill.v1.json").read_text(encoding="utf-8")
    skill = from_json(Skill, text)
    assert skill == replace(SKILL, provenance=replace(PROVENANCE, origin=None))


@pytest.mark.parametrize("name", VALUES)
def test_a_value_survives_a_round_trip_on_one_line(name: str) -> None:
    text = to_json(VALUES[name])
    assert "\n" not in text
    assert from_json(type(VALUES[name]), text) == VALUES[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": "Skill"}, "expected a Citation record, got schema 'Skill'"),
        ({"schema_version": 2}, "schema_version 2; this release reads 1"),
        ({"steps": ["one"]}, "steps.0: .* got 'one'"),
        ({"surprise": 1}, "surprise: .* got 1"),
    ],
)
def test_a_record_that_does_not_fit_is_refused_by_name(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        from_record(Citation, to_record(CITATION) | change)


def test_text_that_is_not_json_is_refused() -> None:
    with pytest.raises(SchemaError, match="not JSON at char 1"):
        from_json(Citation, "{")
