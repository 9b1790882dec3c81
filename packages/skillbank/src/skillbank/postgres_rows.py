"""How rows of the database become values, and values the parameters of statements.

Statements that store many rows take one array per column: a row costs them some
microseconds, and a statement a row some hundred.
"""

import json
from collections.abc import Sequence
from functools import lru_cache

from psycopg.rows import DictRow

from skillbank.changes import Change, NewVersion, SkillRef
from skillbank.evidence import Episode
from skillbank.schema import from_json, to_json, to_record
from skillbank.skill import Citation, Provenance, Skill

Parameters = dict[str, object]


def skill_of(row: DictRow) -> Skill:
    """Return the skill in a row of the view `skillbank.skill`."""
    return Skill(
        id=row["skill_id"],
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


def change_of(row: DictRow) -> Change:
    """Return the change in a row of the query `changes`."""
    return Change(
        revision=row["revision"],
        action=row["action"],
        skill_id=row["skill_id"],
        version=row["version"],
        parents=tuple(SkillRef(skill_id=i, version=v) for i, v in row["parents"]),
        reason=row["reason"],
        citations=tuple(from_json(Citation, json.dumps(value)) for value in row["citations"]),
    )


def version_columns(new: Sequence[NewVersion]) -> Parameters:
    """Return the columns that store versions."""
    skills = [version.skill for version in new]
    written = {skill.provenance: to_json(skill.provenance) for skill in skills}
    return {
        **status_columns(skills),
        "titles": [skill.title for skill in skills],
        "principles": [skill.principle for skill in skills],
        "whens": [skill.when_to_apply for skill in skills],
        "kinds": [skill.kind for skill in skills],
        "categories": [skill.category for skill in skills],
        "provenances": [written[skill.provenance] for skill in skills],
        "digests": [version.digest for version in new],
    }


def status_columns(skills: Sequence[Skill]) -> Parameters:
    """Return the columns that store statuses."""
    return {
        **ref_columns(skills),
        "statuses": [skill.status for skill in skills],
        "reasons": [skill.status_reason for skill in skills],
    }


def ref_columns(skills: Sequence[Skill]) -> Parameters:
    """Return the columns that name versions."""
    return {
        "skill_ids": [skill.id for skill in skills],
        "versions": [skill.version for skill in skills],
    }


def change_columns(log: Sequence[Change]) -> Parameters:
    """Return the columns that store changes."""
    return {
        "actions": [change.action for change in log],
        "skill_ids": [change.skill_id for change in log],
        "versions": [change.version for change in log],
        "reasons": [change.reason for change in log],
        "citations": [json.dumps([to_record(c) for c in change.citations]) for change in log],
    }


def lineage_columns(log: Sequence[Change]) -> Parameters:
    """Return the columns that store what versions were made from."""
    pairs = [(change, parent) for change in log for parent in change.parents]
    return {
        "child_ids": [child.skill_id for child, _ in pairs],
        "child_versions": [child.version for child, _ in pairs],
        "parent_ids": [parent.skill_id for _, parent in pairs],
        "parent_versions": [parent.version for _, parent in pairs],
    }


def episode_row(episode: Episode) -> Parameters:
    """Return the parameters that store an episode, without its skills."""
    return {
        "episode_id": episode.episode_id,
        "group_id": episode.group_id,
        "success": episode.success,
        "reward": episode.reward,
        "bank_revision": episode.bank_revision,
        "retrieval": json.dumps(dict(episode.retrieval)),
    }


def exposure_columns(episode: Episode) -> Parameters:
    """Return the columns that store the skills' parts in an episode."""
    return {
        "episode_id": episode.episode_id,
        "skill_ids": [entry.skill_id for entry in episode.skills],
        "versions": [entry.version for entry in episode.skills],
        "shown": [entry.shown for entry in episode.skills],
        "propensities": [entry.propensity for entry in episode.skills],
        "corrupted": [entry.corrupted for entry in episode.skills],
    }


@lru_cache(maxsize=4096)
def _provenance(text: str) -> Provenance:
    return from_json(Provenance, text)
