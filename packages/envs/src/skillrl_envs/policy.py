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
    the tokens it was sampled with instead of tokenising its text again. They stand for the
    messages up to the last one of the assistant; `chat_tokens` adds the rest."""
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

    schema_version: ClassVar[int] = 2
    """2 added the counts of policies that give no ids."""

    text: str
    prompt_ids: tuple[int, ...] | None = None
    completion_ids: tuple[int, ...] | None = None
    logprobs: tuple[float, ...] | None = None
    """One per completion id, in nats, under the temperature sampled with."""
    finish_reason: Literal["stop", "length"]
    policy_version: str
    """Which weights answered; changes whenever they do."""
    prompt_tokens: int | None = None
    """As the server counted them; needed only where there are no ids."""
    completion_tokens: int | None = None
    """As the server counted them; needed only where there are no ids."""

    @property
    def tokens_read(self) -> int:
        """Length of the prompt in tokens, 0 where nobody said."""
        return len(self.prompt_ids) if self.prompt_ids is not None else self.prompt_tokens or 0

    @property
    def tokens_written(self) -> int:
        """Length of the completion in tokens, 0 where nobody said."""
        if self.completion_ids is not None:
            return len(self.completion_ids)
        return self.completion_tokens or 0


class Policy(Protocol):
    """Answers requests; the only thing the rollout engine knows about a model.

    One that computes in batches wants many requests at a time, one that fronts a server
    with a scheduler of its own wants each at once: the caller chooses (`policy_responder`),
    the protocol is the same. A call may be cancelled at any await.
    """

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        """Return one completion per request, in order.

        Raises:
            TransientPolicyError: a failure that may pass; TimeoutError and ConnectionError
                are taken alike. The call is made again with the same seeds.
        """
        ...
