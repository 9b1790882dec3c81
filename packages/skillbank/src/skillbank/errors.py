"""Errors of skillbank.

SkillbankError
├── SchemaError        (ValueError)   text that is not a valid skill record
├── InvalidSkill       (ValueError)   a draft that cannot become a skill
├── InvalidQuery       (ValueError)   a query or setting that cannot be answered
├── InvalidEvidence    (ValueError)   an exposure or outcome that cannot count as evidence
├── InvalidImport      (ValueError)   a file that cannot be read as skills
├── EmbeddingError     (ValueError)   texts that cannot become vectors of one space
├── UnknownSkill       (LookupError)  no such skill, version, bank or revision
├── Conflict           (RuntimeError) two writes that contradict each other
├── ServerError        (RuntimeError) the database cannot be started or reached
└── BankInUse          (RuntimeError) the data directory cannot be shared as asked
"""


class SkillbankError(Exception):
    """Base of every error raised on purpose by skillbank."""


class SchemaError(SkillbankError, ValueError):
    """A JSON text does not describe a valid value of the expected type."""


class InvalidSkill(SkillbankError, ValueError):
    """A draft breaks a rule that every skill must keep."""


class InvalidQuery(SkillbankError, ValueError):
    """A query or a retrieval setting is out of range."""


class InvalidEvidence(SkillbankError, ValueError):
    """An exposure or an outcome cannot count as evidence."""


class InvalidImport(SkillbankError, ValueError):
    """A file or folder cannot be imported; the message says where in it and why."""


class EmbeddingError(SkillbankError, ValueError):
    """Texts cannot become vectors: wrong model, dimension or value, no key, missing extra."""


class UnknownSkill(SkillbankError, LookupError):
    """No such skill, version, bank or revision."""


class Conflict(SkillbankError, RuntimeError):
    """Someone else wrote meanwhile, or a key was already used for another operation."""


class ServerError(SkillbankError, RuntimeError):
    """The database server cannot be started or reached, or lacks what the bank needs."""


class BankInUse(SkillbankError, RuntimeError):
    """The bank's directory is held in a way that does not allow this use."""
