"""What a policy is: something that answers prompts, in text and perhaps in tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message."""

    schema_version: ClassVar[int] = 1

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt, with all that makes its answer reproducible."""

    schema_version: ClassVar[int] = 1

    messages: tuple[Message, ...]
    token_prefix: tuple[int, ...] | None = None
    """Exact tokens this prompt must begin with, so that a conversation extends
    the tokens it was sampled with instead of tokenising its text again."""
    episode_id: str
    step: int
    """0 for an episode's first request."""
    seed: int
    """Unique per request; equal seeds on one server give equal samples."""
    max_tokens: int
    temperature: float
    """0 is greedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A policy's answer to one request; the token fields are None for text-only policies."""

    schema_version: ClassVar[int] = 1

    text: str
    prompt_ids: tuple[int, ...] | None = None
    completion_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    """One per completion id, in nats, under the temperature sampled with."""
    finish_reason: Literal["stop", "length"]
    policy_version: str
    """Which weights answered; changes whenever they do."""


class Policy(Protocol):
    """Answers requests; the only thing the rollout engine knows about a model."""

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        """Return one completion per request, in order."""
        ...
