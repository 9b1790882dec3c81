"""Errors of skillrl_envs.

EnvsError
├── SchemaError          (ValueError)     text that is not a valid seam type
├── GameFileError        (ValueError)     a file that is no playable game
├── UnknownTaskError     (LookupError)    a task this environment cannot play
├── EpisodeOver          (RuntimeError)   a step after the end of an episode
├── EnvContractError     (AssertionError) an environment breaks the contract
├── PromptTooLong        (ValueError)     what may not be cut is over the token budget
├── RecordFileError      (ValueError)     a damaged JSONL file
└── PolicyError          (RuntimeError)   a policy broke its contract
    ├── TransientPolicyError              it failed in a way that may pass
    └── PolicyFailure                     no attempt brought a usable answer
"""

from collections.abc import Sequence


class EnvsError(Exception):
    """Base of every error raised on purpose by skillrl_envs."""


class SchemaError(EnvsError, ValueError):
    """A JSON text does not describe a valid value of the expected type."""


class GameFileError(EnvsError, ValueError):
    """A file is not a game that this engine can play."""


class UnknownTaskError(EnvsError, LookupError):
    """A task names a game, split or generator that does not exist."""


class EpisodeOver(EnvsError, RuntimeError):
    """A step was asked for after the end of an episode."""


class EnvContractError(EnvsError, AssertionError):
    """An environment does not do what the environment contract says."""


class PromptTooLong(EnvsError, ValueError):
    """The parts of a prompt that may not be cut need more tokens than the budget has."""


class RecordFileError(EnvsError, ValueError):
    """A JSONL file holds a line that is no record, other than a torn last line."""


class PolicyError(EnvsError, RuntimeError):
    """A policy returned something other than one usable completion per request."""


class TransientPolicyError(PolicyError):
    """A policy failed in a way that may pass: overload, a lost connection, half an answer.

    Policies raise it for what is worth another attempt; TimeoutError and ConnectionError
    count as the same.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        generated: Sequence[int] | None = None,
    ) -> None:
        """Say what failed, and what is known beyond that.

        Args:
            message: What failed.
            retry_after: Seconds that the server asks to be left alone for.
            generated: Tokens generated in vain for each request of the call, in their
                order: zeros if nothing was; None where nobody can say.
        """
        super().__init__(message)
        self.retry_after = retry_after
        self.generated = None if generated is None else tuple(generated)


class PolicyFailure(PolicyError):
    """A request got no usable answer; says why, and what was spent on it in vain."""

    def __init__(self, message: str, *, wasted_tokens: int = 0, lost_attempts: int = 0) -> None:
        """Quote the last error; the counts are those of `trajectory.Trajectory`."""
        super().__init__(message)
        self.wasted_tokens, self.lost_attempts = wasted_tokens, lost_attempts
