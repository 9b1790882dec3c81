"""Every travelling type: a golden file, a round trip, and a refusal of what it is not."""

import json
import resource
from dataclasses import replace
from pathlib import Path

import pytest

from skillrl_envs.errors import RecordFileError, SchemaError
from skillrl_envs.exposure import Exposure, SkillExposure
from skillrl_envs.jsonl import JsonlWriter, read_jsonl
from skillrl_envs.policy import Completion, Message, Request
from skillrl_envs.schema import Versioned, from_json, to_json
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Ended, Outcome, Step, Trajectory
from skillrl_envs.usage import UsageRecord

GOLDEN = Path(__file__).parent / "golden"

TASK = Task(id="t/1", env="alfworld", category="heat", split="train", payload={"seed": 7})
COMPLETION = Completion(
    text="look",
    prompt_ids=(1, 2),
    completion_ids=(3,),
    logprobs=(-0.5,),
    finish_reason="stop",
    policy_version="w/1",
    prompt_tokens=2,
    completion_tokens=1,
)
REQUEST = Request(
    messages=(Message("user", "was siehst du? \u2028 </script>"),),
    token_prefix=(1, 2),
    episode_id="g/0",
    step=0,
    seed=5,
    max_tokens=8,
    temperature=0.7,
)
EXPOSURE = Exposure(
    skills=(SkillExposure(skill_id="s1", version=2, shown=True, propensity=0.5),),
    bank_id="b",
    bank_revision=3,
    retrieval={"mode": "template", "k": 6, "threshold": None},
)
STEP = Step(
    observation="You see a mug 1.",
    admissible=("look",),
    messages=REQUEST.messages,
    reply="look",
    action="look",
    valid=True,
    reward=0.0,
    completion=COMPLETION,
    faults=("no_think_tags", "not_admissible"),
)
TRAJECTORY = Trajectory(
    run_id="r",
    task=TASK,
    instruction="heat some mug and put it in shelf.",
    seed=5,
    group_id="g",
    replica=0,
    policy_version="w/1",
    bank_revision=3,
    context="window",
    skills="heat first",
    exposure=EXPOSURE,
    steps=(STEP,),
    final_observation="Nothing happens.",
    outcome=Outcome(success=False, reward=0.0, metrics={"task_score": 0.25}),
    ended=Ended(kind="truncated", reason="1 steps"),
    prompt_tokens=2,
    completion_tokens=1,
    wasted_tokens=7,
    lost_attempts=2,
    reward_scheme="paper",
)
USAGE = UsageRecord(
    stage="distill",
    what="teacher_call",
    quantity=1.0,
    unit="calls",
    price=None,
    cause_id="c",
    idempotency_key="k",
)
VALUES: list[Versioned] = [
    TASK, COMPLETION, REQUEST, EXPOSURE, EXPOSURE.skills[0], STEP, TRAJECTORY, USAGE,
    TRAJECTORY.outcome, TRAJECTORY.ended, REQUEST.messages[0],
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_the_golden_file_still_reads_and_writes_the_same(value: Versioned) -> None:
    golden = (GOLDEN / f"{type(value).__name__}.json").read_text(encoding="utf-8").strip()
    assert to_json(value) == golden
    assert from_json(type(value), golden) == value


def before(completion: Completion) -> Completion:
    return replace(completion, prompt_tokens=None, completion_tokens=None)


# What records of the previous version say: nothing of what was added since.
OLD_STEP = replace(STEP, completion=before(COMPLETION), faults=())
PREVIOUS: list[Versioned] = [
    before(COMPLETION),
    OLD_STEP,
    replace(TRAJECTORY, steps=(OLD_STEP,), wasted_tokens=0, lost_attempts=0, reward_scheme="env"),
]


@pytest.mark.parametrize("value", PREVIOUS, ids=lambda value: type(value).__name__)
def test_records_of_the_previous_version_are_read(value: Versioned) -> None:
    old = (GOLDEN / "version-1" / f"{type(value).__name__}.json").read_text(encoding="utf-8")
    assert json.loads(old)["schema_version"] == type(value).schema_version - 1 == 1
    assert from_json(type(value), old) == value


def test_another_version_is_refused_by_name() -> None:
    record = json.loads(to_json(TASK)) | {"schema_version": 9}
    with pytest.raises(SchemaError, match="Task record has schema_version 9; this release reads 1"):
        from_json(Task, json.dumps(record))
    record = json.loads(to_json(TRAJECTORY)) | {"schema_version": 0}
    with pytest.raises(SchemaError, match="schema_version 0; this release reads 2, 1"):
        from_json(Trajectory, json.dumps(record))


def test_a_fault_that_no_parser_finds_is_refused() -> None:
    record = json.loads(to_json(STEP)) | {"faults": ["bad_manners"]}
    with pytest.raises(SchemaError, match="faults"):
        from_json(Step, json.dumps(record))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"split": 3}, "split: .*string.*got 3"),
        ({"colour": "red"}, "colour: unexpected"),
        ({"schema": "Step"}, "expected a Task record, got schema 'Step'"),
    ],
)
def test_a_damaged_record_names_the_field(change: dict[str, object], complaint: str) -> None:
    record = json.loads(to_json(TASK)) | change
    with pytest.raises(SchemaError, match=complaint):
        from_json(Task, json.dumps(record))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", b"\xff{}"])
def test_what_is_no_record_is_refused(text: str | bytes) -> None:
    with pytest.raises(SchemaError):
        from_json(Task, text)


def test_a_torn_last_line_is_cut_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    with JsonlWriter(path) as writer:
        writer.write(TASK)
        writer.write(TASK)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert list(read_jsonl(Task, path)) == [TASK, TASK]
    with JsonlWriter(path) as writer:
        writer.write(TASK)
    assert list(read_jsonl(Task, path)) == [TASK, TASK, TASK]


def test_a_file_torn_in_its_only_line_starts_afresh(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_bytes(b'{"schema"' + b"x" * 70_000)
    with JsonlWriter(path) as writer:
        writer.write(TASK)
    assert list(read_jsonl(Task, path)) == [TASK]


def test_a_damaged_line_in_the_middle_is_an_error_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    path.write_text(f"{to_json(TASK)}\nnonsense\n{to_json(TASK)}\n")
    with pytest.raises(RecordFileError, match=r"tasks\.jsonl, line 2"):
        list(read_jsonl(Task, path))


def test_a_full_disk_leaves_no_half_record(tmp_path: Path) -> None:
    path = tmp_path / "tasks.jsonl"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonlWriter(path) as writer:
        writer.write(TASK)
        size = path.stat().st_size
        # The next record fits in part only, as on a disk that fills up.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
        try:
            for _ in range(2):
                with pytest.raises(OSError, match=r"large|space"):
                    writer.write(TASK)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.stat().st_size == size
        writer.write(TASK)
    assert list(read_jsonl(Task, path)) == [TASK, TASK]
