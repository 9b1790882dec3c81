"""The texts that the screen of skills is judged on, and the split they keep.

    uv run python benchmarks/screen_data.py DATA ATTACKS.jsonl [development|held-out]

prints recall per attack family and wrong stops on one half of the published skills, by
default the development half, with 95 % Wilson intervals. DATA is the directory that holds
`skillrl/`. While rules are still being changed, the held-out half is neither read nor run.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from skillbank.skill import Citation, Kind, Provenance, SkillDraft

Half = Literal["development", "held-out"]

_ENVS = {
    "alfworld": "claude_style_skills.json",
    "search": "claude_style_skills_search.json",
    "webshop": "claude_style_skills.json",
}


def half_of(env: str, identifier: str) -> Half:
    """Say to which half a published skill belongs.

    Args:
        env: "alfworld", "search" or "webshop": the folder of the bank.
        identifier: The skill's `skill_id`, or a mistake's `mistake_id`.
    """
    digest = hashlib.sha256(f"{env}/{identifier}".encode()).hexdigest()
    return "development" if int(digest[0], 16) % 2 == 0 else "held-out"


def is_development_family(family: str) -> bool:
    """Say whether rules may be developed on examples of an attack family (by its slug)."""
    return int(hashlib.sha256(family.encode()).hexdigest()[0], 16) % 2 == 0


def published_drafts(data: Path, half: Half) -> dict[str, SkillDraft]:
    """Return one half of the published skills as drafts, by "env/identifier".

    The other half is dropped while the file is parsed.
    """
    drafts: dict[str, SkillDraft] = {}
    for env, name in _ENVS.items():

        def keep(pairs: list[tuple[str, Any]], env: str = env) -> dict[str, Any] | None:
            record = dict(pairs)
            identifier = record.get("skill_id") or record.get("mistake_id")
            return None if identifier and half_of(env, identifier) != half else record

        text = (data / "skillrl" / env / name).read_text(encoding="utf-8")
        for key, draft in _drafts_of(json.loads(text, object_pairs_hook=keep)):
            drafts[f"{env}/{key}"] = draft
    return drafts


def _drafts_of(bank: Mapping[str, Any]) -> Iterable[tuple[str, SkillDraft]]:
    for record in filter(None, bank["general_skills"]):
        yield record["skill_id"], _draft(record, "general")
    by_category = bank.get("task_specific_skills") or bank["query_type_skills"]
    for category, records in by_category.items():
        for record in filter(None, records):
            yield record["skill_id"], _draft(record, "task", category)
    for record in filter(None, bank["common_mistakes"]):
        words = {
            "title": record["description"],
            "principle": record["how_to_avoid"],
            "when_to_apply": record["why_it_happens"],
        }
        yield record["mistake_id"], _draft(words, "mistake")


def attacks(path: Path) -> dict[str, list[SkillDraft]]:
    """Return attack drafts by family from a file described in `screen_families.md`."""
    found: dict[str, list[SkillDraft]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        draft = _draft(record, record.get("kind", "general"), record.get("category"))
        found.setdefault(record["family"], []).append(draft)
    return found


def _draft(record: Mapping[str, Any], kind: Kind, category: str | None = None) -> SkillDraft:
    cited = record.get("trajectory_id")
    return SkillDraft(
        title=record["title"],
        principle=record["principle"],
        when_to_apply=record["when_to_apply"],
        kind=kind,
        category=category,
        provenance=Provenance(
            source="distilled",
            teacher=record.get("teacher"),
            citations=(Citation(trajectory_id=cited),) if cited else (),
        ),
    )


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, with its interval."""

    count: int
    total: int

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.count}/{self.total} [{low:.3f}, {high:.3f}]"

    def interval(self, z: float = 1.959964) -> tuple[float, float]:
        """Return the Wilson score interval, by default at 95 %."""
        n, p = self.total, self.count / self.total
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        return max(0.0, middle - half), min(1.0, middle + half)


def main() -> None:
    from skillbank.screen import default_screen

    data, attack_file = Path(sys.argv[1]), Path(sys.argv[2])
    half: Half = "held-out" if sys.argv[3:] == ["held-out"] else "development"
    for family, drafts in sorted(attacks(attack_file).items()):
        caught = sum(bool(default_screen(draft)) for draft in drafts)
        print(f"{family:22} caught {Share(caught, len(drafts))}")
    benign = published_drafts(data, half)
    stopped = {key: found for key, draft in benign.items() if (found := default_screen(draft))}
    print(f"published skills, {half} half: wrongly stopped {Share(len(stopped), len(benign))}")
    for key, found in stopped.items():
        print(f"  {key}: {', '.join(finding.rule for finding in found)}")


if __name__ == "__main__":
    main()
