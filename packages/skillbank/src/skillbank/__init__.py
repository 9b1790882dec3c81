"""A versioned skill bank for language agents on Postgres and pgvector."""

from skillbank.bank import SkillBank
from skillbank.changes import Change, SkillRef
from skillbank.embedding import Embedder, EmbeddingModel
from skillbank.errors import (
    BankInUse,
    Conflict,
    EmbeddingError,
    InvalidEvidence,
    InvalidImport,
    InvalidQuery,
    InvalidSkill,
    SchemaError,
    ServerError,
    SkillbankError,
    UnknownSkill,
)
from skillbank.evidence import Evidence, ExposureLike
from skillbank.proposals import ApplyReport
from skillbank.reading import BankReader
from skillbank.render import render
from skillbank.retrieval import RetrievalSettings, Retrieved
from skillbank.schema import from_json, from_record, to_json, to_record
from skillbank.skill import (
    Citation,
    Hit,
    Kind,
    Origin,
    Proposal,
    Provenance,
    Skill,
    SkillDraft,
    Status,
)
from skillbank.snapshots import Diff, Snapshot

__all__ = [
    "ApplyReport",
    "BankInUse",
    "BankReader",
    "Change",
    "Citation",
    "Conflict",
    "Diff",
    "Embedder",
    "EmbeddingError",
    "EmbeddingModel",
    "Evidence",
    "ExposureLike",
    "Hit",
    "InvalidEvidence",
    "InvalidImport",
    "InvalidQuery",
    "InvalidSkill",
    "Kind",
    "Origin",
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
    "Snapshot",
    "Status",
    "UnknownSkill",
    "from_json",
    "from_record",
    "render",
    "to_json",
    "to_record",
]
