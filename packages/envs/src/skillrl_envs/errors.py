"""Errors of skillrl_envs.

EnvsError
├── SchemaError          (ValueError)  text that is not a valid seam type
├── GameFileError        (ValueError)  a file that is no playable game
├── UnknownTaskError     (LookupError) a task this environment cannot play
├── RecordFileError      (ValueError)  a damaged JSONL file
└── PolicyError          (RuntimeError) a policy broke its contract
"""


class EnvsError(Exception):
    """Base of every error raised on purpose by skillrl_envs."""


class SchemaError(EnvsError, ValueError):
    """A JSON text does not describe a valid value of the expected type."""


class GameFileError(EnvsError, ValueError):
    """A file is not a game that this engine can play."""


class UnknownTaskError(EnvsError, LookupError):
    """A task names a game, split or generator that does not exist."""


class RecordFileError(EnvsError, ValueError):
    """A JSONL file holds a line that is no record, other than a torn last line."""


class PolicyError(EnvsError, RuntimeError):
    """A policy returned something other than one completion per request."""
