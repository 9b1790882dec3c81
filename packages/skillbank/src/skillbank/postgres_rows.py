"""How rows of the database become values, and values rows."""

import json
from functools import lru_cache

from psycopg.rows import DictRow

from skillbank.changes import Change
from skillbank.evidence import Episode
from skillbank.schema import from_json, to_record
from skillbank.skill import Citation, Provenance, Skill


def skill_of(row: DictRow) -> Skill:
    """Return the skill in a row of the view `skillbank.skill`."""
    return Skill(
        id=str(row["skill_id"]),
        version=row["version"],
        title=row["title"],
        principle=row["principle"],
        when_to_apply=row["when_to_apply"],
        kind=row["kind"],
        category=row["category"],
        status=row["status"],
        status_reason=row["status_reason"],
        provenance=_provenance(row["provenance"]),
        created_revision=row["created_revision"],
    )


def citations_of(values: list[dict[str, object]]) -> tuple[Citation, ...]:
    """Return the citations in a change's jsonb value."""
    return tuple(from_json(Citation, json.dumps(value)) for value in values)


def change_row(bank_id: str, place: int, change: Change) -> dict[str, object]:
    """Return the parameters that store a change."""
    return {
        "bank_id": bank_id,
        "revision": change.revision,
        "place": place,
        "action": change.action,
        "skill_id": change.skill_id,
        "version": change.version,
        "reason": change.reason,
        "citations": json.dumps([to_record(citation) for citation in change.citations]),
    }


def episode_row(bank_id: str, episode: Episode) -> dict[str, object]:
    """Return the parameters that store an episode, without its skills."""
    return {
        "bank_id": bank_id,
        "episode_id": episode.episode_id,
        "group_id": episode.group_id,
        "success": episode.success,
        "reward": episode.reward,
        "bank_revision": episode.bank_revision,
        "retrieval": json.dumps(dict(episode.retrieval)),
    }


@lru_cache(maxsize=4096)
def _provenance(text: str) -> Provenance:
    return from_json(Provenance, text)
