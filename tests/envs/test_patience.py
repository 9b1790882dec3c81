"""Time limits, further attempts, and what becomes of the tokens that nobody used."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from skillrl_envs.batching import Batcher, Streamer
from skillrl_envs.errors import PolicyFailure, TransientPolicyError
from skillrl_envs.patience import Answer, Patience, ask
from skillrl_envs.policy import Completion, Message, Request

QUICK = Patience(timeout=5.0, attempts=3, backoff=0.0)


def request(seed: int) -> Request:
    return Request(
        messages=(Message("user", "go"),),
        episode_id=f"e{seed}",
        step=0,
        seed=seed,
        max_tokens=8,
        temperature=1.0,
    )


def completion(tokens: int = 3) -> Completion:
    return Completion(
        text="look",
        completion_ids=tuple(range(tokens)),
        finish_reason="stop",
        policy_version="v",
    )


class Scripted:
    """Does one thing after the other: raises errors, awaits or returns results."""

    def __init__(self, *script: Exception | Callable[[int], object]) -> None:
        self.script = list(script)
        self.calls: list[list[int]] = []

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        self.calls.append([r.seed for r in requests])
        act = self.script.pop(0) if self.script else lambda n: [completion()] * n
        if isinstance(act, Exception):
            raise act
        result = act(len(requests))
        if isinstance(result, Awaitable):
            result = await result
        return result  # type: ignore[return-value]  # some scripts break the contract on purpose


def answers(policy: Scripted, *seeds: int, patience: Patience = QUICK) -> list[Answer]:
    return asyncio.run(ask(policy, [request(seed) for seed in seeds], patience))


@pytest.mark.parametrize(
    "trouble", [TransientPolicyError("overloaded"), TimeoutError("slow"), ConnectionResetError("x")]
)
def test_what_may_pass_is_tried_again_with_the_same_seeds(trouble: Exception) -> None:
    policy = Scripted(trouble, trouble)
    assert answers(policy, 5, 6) == [Answer(completion(), lost_attempts=2)] * 2
    assert policy.calls == [[5, 6]] * 3


def test_patience_ends() -> None:
    policy = Scripted(*[ConnectionResetError("gone")] * 9)
    (answer,) = answers(policy, 5)
    assert answer.failure == "3 attempts, the last: ConnectionResetError: gone"
    assert (answer.lost_attempts, len(policy.calls)) == (3, 3)
    with pytest.raises(PolicyFailure, match="3 attempts") as raised:
        answer.usable()
    assert raised.value.lost_attempts == 3


def test_what_will_not_pass_is_not_tried_again() -> None:
    policy = Scripted(RuntimeError("out of memory"))
    assert answers(policy, 5)[0].failure == "RuntimeError: out of memory"
    assert len(policy.calls) == 1


def test_a_policy_that_hangs_is_given_up() -> None:
    policy = Scripted(lambda n: asyncio.Event().wait())
    patience = Patience(timeout=0.01, attempts=1)
    assert answers(policy, 5, patience=patience) == [
        Answer(failure="TimeoutError: no answer within 0.01 s", lost_attempts=1)
    ]


def test_an_answer_that_could_not_be_interrupted_is_taken() -> None:
    def compute(n: int) -> list[Completion]:
        time.sleep(0.05)
        return [completion()] * n

    patience = Patience(timeout=0.01, attempts=1)
    assert answers(Scripted(compute), 5, patience=patience) == [Answer(completion())]


def test_tokens_in_vain_are_counted_where_they_are_known() -> None:
    policy = Scripted(
        TransientPolicyError("half an answer", generated=[7, 0]),
        TransientPolicyError("gone"),
        TransientPolicyError("of the first only", generated=[2]),
    )
    first, second = answers(policy, 5, 6, patience=replace(QUICK, attempts=4))
    assert first == Answer(completion(), wasted_tokens=9, lost_attempts=1)
    assert second == Answer(completion(), lost_attempts=2)


@pytest.mark.parametrize(("given", "wasted"), [(0, [0, 0]), (1, [3, 0]), (4, [3, 9])])
def test_a_wrong_number_of_completions_is_all_in_vain(given: int, wasted: list[int]) -> None:
    found = answers(Scripted(lambda n: [completion()] * given), 5, 6)
    assert {a.failure for a in found} == {f"PolicyError: 2 requests got {given} completions"}
    assert [a.wasted_tokens for a in found] == wasted


def test_one_bad_completion_fails_nobody_else() -> None:
    bad = replace(completion(), logprobs=(-0.1,))
    first, second = answers(Scripted(lambda n: [completion(), bad]), 5, 6)
    assert first == Answer(completion())
    assert second.failure is not None
    assert second.failure.startswith("PolicyError: 1 log-probabilities for 3 completion ids")
    assert second.wasted_tokens == 3


def test_a_client_that_gives_up_by_itself_cancels_nothing_else() -> None:
    async def give_up() -> object:
        raise asyncio.CancelledError

    (answer,) = answers(Scripted(lambda n: give_up()), 5)
    assert answer == Answer(failure="CancelledError: the policy gave the call up", lost_attempts=1)


def test_what_is_no_list_of_completions_is_a_failure_like_any_other() -> None:
    assert answers(Scripted(lambda n: None), 5)[0].failure == (
        "TypeError: object of type 'NoneType' has no len()"
    )


def test_waits_double_up_to_a_limit_and_differ_between_seeds() -> None:
    patience = Patience(backoff=1.0, longest_backoff=10.0)
    waits = [[patience.delay(attempt, seed) for attempt in (1, 2, 3, 4, 5)] for seed in range(50)]
    for attempt, most in enumerate((1.0, 2.0, 4.0, 8.0, 10.0)):
        assert all(most / 2 <= wait[attempt] <= most for wait in waits)
    assert len({wait[0] for wait in waits}) == 50
    assert patience.delay(1, 7) == waits[7][0]


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    patience = Patience(backoff=0.1, longest_backoff=10.0)
    assert patience.delay(1, 0, retry_after=3.0) == 3.0
    assert patience.delay(1, 0, retry_after=3600.0) == 10.0


@pytest.mark.parametrize(
    ("patience", "complaint"),
    [
        (lambda: Patience(timeout=0.0), "timeout must be above 0 or None, got 0.0"),
        (lambda: Patience(attempts=0), "attempts must be at least 1, got 0"),
        (lambda: Patience(backoff=-1.0), "backoff must be at least 0, got -1.0"),
        (lambda: Patience(longest_backoff=float("nan")), "longest_backoff must be .* got nan"),
    ],
)
def test_impatience_is_named(patience: Callable[[], Patience], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        patience()


class Doors:
    """Answers a call when its doors are opened, and notes what was cancelled."""

    def __init__(self) -> None:
        self.open = {seed: asyncio.Event() for seed in (1, 2)}
        self.calls: list[list[int]] = []
        self.cancelled: list[list[int]] = []

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        seeds = [r.seed for r in requests]
        self.calls.append(seeds)
        try:
            for seed in seeds:
                await self.open[seed].wait()
        except asyncio.CancelledError:
            self.cancelled.append(seeds)
            raise
        return [completion()] * len(seeds)


async def settled(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def test_streamed_requests_do_not_wait_for_each_other() -> None:
    async def scenario() -> None:
        doors = Doors()
        streamer = Streamer(doors, QUICK)
        slow, fast = (asyncio.create_task(streamer.submit(request(seed))) for seed in (1, 2))
        await settled()
        doors.open[2].set()
        assert (await fast).completion == completion()
        assert not slow.done()
        doors.open[1].set()
        assert (await slow).completion == completion()
        assert doors.calls == [[1], [2]]

    asyncio.run(scenario())


def test_a_batch_goes_on_while_anybody_waits_for_it_and_no_longer() -> None:
    async def scenario() -> None:
        doors = Doors()
        batcher = Batcher(doors, QUICK)
        one, two = (asyncio.create_task(batcher.submit(request(seed))) for seed in (1, 2))
        await settled()
        assert doors.calls == [[1, 2]]
        one.cancel()
        await settled()
        assert doors.cancelled == []
        two.cancel()
        await settled()
        assert doors.cancelled == [[1, 2]]

    asyncio.run(scenario())


def test_a_request_that_is_cancelled_in_time_is_never_sent() -> None:
    async def scenario() -> None:
        doors = Doors()
        batcher = Batcher(doors, QUICK)
        one, two = (asyncio.create_task(batcher.submit(request(seed))) for seed in (1, 2))
        await asyncio.sleep(0)
        one.cancel()
        doors.open[2].set()
        assert (await two).completion == completion()
        assert doors.calls == [[2]]

    asyncio.run(scenario())
