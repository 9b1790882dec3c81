"""A versioned skill bank for language agents on Postgres and pgvector."""

from skillbank.bank import SkillBank
from skillbank.changes import Change, SkillRef
from skillbank.errors import (
    BankInUse,
    Conflict,
    InvalidEvidence,
    InvalidQuery,
    InvalidSkill,
    SchemaError,
    ServerError,
    SkillbankError,
    UnknownSkill,
)
from skillbank.evidence import Evidence, ExposureLike
from skillbank.proposals import ApplyReport
from skillbank.render import render
from skillbank.retrieval import RetrievalSettings, Retrieved
from skillbank.schema import from_json, from_record, to_json, to_record
from skillbank.skill import (
    Citation,
    Hit,
    Kind,
    Proposal,
    Provenance,
    Skill,
    SkillDraft,
    Status,
)

__all__ = [
    "ApplyReport",
    "BankInUse",
    "Change",
    "Citation",
    "Conflict",
    "Evidence",
    "ExposureLike",
    "Hit",
    "InvalidEvidence",
    "InvalidQuery",
    "InvalidSkill",
    "Kind",
    "Proposal",
    "Provenance",
    "RetrievalSettings",
    "Retrieved",
    "SchemaError",
    "ServerError",
    "Skill",
    "SkillBank",
    "SkillDraft",
    "SkillRef",
    "SkillbankError",
    "Status",
    "UnknownSkill",
    "from_json",
    "from_record",
    "render",
    "to_json",
    "to_record",
]
