"""Patience with a policy: a time limit for each call, and further attempts.

A call is made again with the same requests, seeds included: an answer that took three
attempts is the answer that the first would have brought.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from skillrl_envs.errors import PolicyError, PolicyFailure, TransientPolicyError
from skillrl_envs.policy import Completion, Policy, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a policy is waited for, and how often it is asked again."""

    timeout: float | None = 600.0
    """Seconds that one call may take; None waits for ever. A policy that computes without
    ever awaiting cannot be interrupted, and is not: its answer is taken however late."""
    attempts: int = 4
    """Most calls for one request."""
    backoff: float = 0.5
    """Seconds before the second attempt; doubled before each further one."""
    longest_backoff: float = 30.0
    """Most seconds between two attempts, whatever a server asks for."""

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout > 0:
            raise ValueError(f"timeout must be above 0 or None, got {self.timeout}")
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")
        for name in ("backoff", "longest_backoff"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")

    def delay(self, attempt: int, seed: int, retry_after: float | None = None) -> float:
        """Return the seconds to wait after that attempt (1-based) failed.

        Between half and the whole of the doubled backoff: callers that failed together
        come back apart, and equal seeds wait equally long.
        """
        whole = self.backoff * 2.0 ** (attempt - 1)
        spread = 0.5 + random.Random(f"{seed}/{attempt}").random() / 2
        return min(self.longest_backoff, max(whole * spread, retry_after or 0.0))


@dataclass(slots=True)
class Answer:
    """What became of one request."""

    completion: Completion | None = None
    failure: str | None = None
    """Why there is no completion."""
    wasted_tokens: int = 0
    """Known to be generated for it in vain."""
    lost_attempts: int = 0
    """Attempts of which nobody says what they generated."""

    def usable(self) -> Completion:
        """Return the completion; raises PolicyFailure, with the counts, if there is none."""
        if self.completion is None:
            raise PolicyFailure(
                self.failure or "no answer",
                wasted_tokens=self.wasted_tokens,
                lost_attempts=self.lost_attempts,
            )
        return self.completion


async def ask(policy: Policy, requests: Sequence[Request], patience: Patience) -> list[Answer]:
    """Call the policy until it answers or patience ends; one answer per request, in order.

    Only cancellation is raised: whatever else goes wrong stands in the answers.
    """
    answers = [Answer() for _ in requests]
    for attempt in range(1, patience.attempts + 1):
        try:
            async with asyncio.timeout(patience.timeout) as limit:
                completions = await policy.generate(requests)
            return _sort(answers, requests, completions)
        except (TransientPolicyError, TimeoutError, ConnectionError) as err:
            _note_losses(answers, err)
            late = f"no answer within {patience.timeout:g} s" if limit.expired() else f"{err}"
            reason = f"{type(err).__name__}: {late}"
            if attempt == patience.attempts:
                tries = f"{attempt} attempts, the last: " if attempt > 1 else ""
                return _fail(answers, tries + reason)
            after = err.retry_after if isinstance(err, TransientPolicyError) else None
            await asyncio.sleep(patience.delay(attempt, requests[0].seed, after))
        except asyncio.CancelledError as err:
            if _being_cancelled():
                raise
            # Some client gave up by itself; let through, it would look like a Ctrl-C.
            _note_losses(answers, err)
            return _fail(answers, "CancelledError: the policy gave the call up")
        except Exception as err:  # noqa: BLE001  # handed to every episode that waits for it
            _note_losses(answers, err)
            return _fail(answers, f"{type(err).__name__}: {err}")
    raise AssertionError("unreachable: the last attempt returns")


def _fail(answers: list[Answer], reason: str) -> list[Answer]:
    for answer in answers:
        answer.failure = reason
    return answers


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _note_losses(answers: list[Answer], err: BaseException) -> None:
    generated = err.generated if isinstance(err, TransientPolicyError) else None
    for index, answer in enumerate(answers):
        if generated is None or index >= len(generated):
            answer.lost_attempts += 1
        else:
            answer.wasted_tokens += generated[index]


def _sort(
    answers: list[Answer], requests: Sequence[Request], completions: Sequence[Completion]
) -> list[Answer]:
    if len(completions) != len(requests):
        # Nobody can say whose they are; the sum of what was wasted is right all the same.
        for index, completion in enumerate(completions):
            answers[min(index, len(answers) - 1)].wasted_tokens += completion.tokens_written
        return _fail(
            answers, f"PolicyError: {len(requests)} requests got {len(completions)} completions"
        )
    for answer, request, completion in zip(answers, requests, completions, strict=True):
        try:
            check_completion(request, completion)
        except PolicyError as err:
            answer.wasted_tokens += completion.tokens_written
            answer.failure = f"{type(err).__name__}: {err}"
        else:
            answer.completion = completion
    return answers


def check_completion(request: Request, completion: Completion) -> None:
    """Check what can be checked of an answer.

    Raises:
        PolicyError: log-probabilities that do not match the tokens, or a prompt that does
            not begin with the exact tokens it should.
    """
    ids, logprobs = completion.completion_ids, completion.logprobs
    if logprobs is not None and (ids is None or len(logprobs) != len(ids)):
        raise PolicyError(
            f"{len(logprobs)} log-probabilities for {len(ids or ())} completion ids; "
            "there must be one for each"
        )
    prefix = request.token_prefix
    if prefix is None:
        return
    if completion.prompt_ids is None:
        raise PolicyError("the answer to a request with a token prefix has no prompt ids")
    if completion.prompt_ids[: len(prefix)] != prefix:
        pairs = zip(prefix, completion.prompt_ids, strict=False)
        same = next((i for i, (a, b) in enumerate(pairs) if a != b), len(completion.prompt_ids))
        raise PolicyError(
            f"the prompt leaves its token prefix of {len(prefix)} at token {same}; "
            "chat_tokens.prompt_tokens keeps it"
        )
