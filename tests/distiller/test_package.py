import re
import subprocess
import sys
from pathlib import Path

import pytest

import skillrl_distiller
from skillbank.skill import Citation, Proposal, Provenance, SkillDraft
from skillrl_distiller import Distilled, Evolved, Problem, TeacherReply
from skillrl_distiller import errors as errors_module
from skillrl_envs.schema import Versioned, from_json, to_json

README = Path(__file__).parents[2] / "packages" / "distiller" / "README.md"


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_import_is_light() -> None:
    code = """
import sys, time
started = time.process_time()
import skillrl_distiller
took = time.process_time() - started
print(sorted({"litellm", "openai", "pydantic", "torch"} & set(sys.modules)), took < 0.5)
"""
    assert python(code).strip() == "[] True"


def test_public_names_are_sorted_and_exist() -> None:
    names = skillrl_distiller.__all__
    assert list(names) == sorted(names)
    assert all(hasattr(skillrl_distiller, name) for name in names)


def test_every_error_is_caught_by_the_base_and_says_one_sentence() -> None:
    errors = [e for e in vars(errors_module).values() if isinstance(e, type)]
    for error in errors:
        assert issubclass(error, skillrl_distiller.DistillerError)
        assert re.fullmatch(r"[A-Z][^\n]*\.", error.__doc__ or "")


PROVENANCE = Provenance(
    source="evolved", citations=(Citation(trajectory_id="g/0", steps=(1,)),), cost=0.5
)
DRAFT = SkillDraft(
    title="t", principle="p", when_to_apply="w", kind="general", provenance=PROVENANCE
)
PROBLEM = Problem(operator="evolve", category=None, what="call", error="down")
REPLY = TeacherReply(
    text="{}", model="m", prompt_tokens=1, completion_tokens=None, cost=None, request_hash="h"
)
PROPOSAL = Proposal(
    action="add", draft=DRAFT, reason="r", citations=(Citation(trajectory_id="g/0"),)
)
TRAVELLERS: dict[str, Versioned] = {
    "distilled": Distilled((DRAFT,), (PROBLEM,)),
    "evolved": Evolved((PROPOSAL,), (PROBLEM,)),
    "problem": PROBLEM,
    "teacher_reply": REPLY,
}


@pytest.mark.parametrize("name", sorted(TRAVELLERS))
def test_travelling_types_survive_json_and_keep_their_golden_form(name: str) -> None:
    value = TRAVELLERS[name]
    assert from_json(type(value), to_json(value)) == value
    golden = Path(__file__).parent / "golden" / f"{name}.json"
    assert golden.read_text().strip() == to_json(value)


@pytest.mark.parametrize("name", ["distilled", "evolved"])
def test_a_record_of_the_version_before_is_still_read(name: str) -> None:
    value = TRAVELLERS[name]
    text = (Path(__file__).parent / "golden" / f"{name}.v1.json").read_text(encoding="utf-8")
    assert from_json(type(value), text) == value


def test_readme_example_runs_and_prints_what_it_says() -> None:
    text = README.read_text()
    code, expected = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)[:2]
    assert python(code) == expected
