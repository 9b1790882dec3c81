"""Ways of handing the requests of many episodes to a policy: together, or each at once."""

import asyncio
from typing import Protocol

from skillrl_envs.patience import Answer, Patience, ask
from skillrl_envs.policy import Policy, Request

_QUIET_TURNS = 3
"""Turns of the event loop without a new request after which a batch leaves; a finished
episode needs two to let the next one start."""


_Batch = list[tuple[Request, asyncio.Future[Answer]]]


class Dispatcher(Protocol):
    """Gets single requests answered."""

    async def submit(self, request: Request, /) -> Answer:
        """Return what became of the request; raises only when cancelled."""
        ...


class Streamer:
    """Sends each request on its own and at once, for servers that schedule by themselves.

    No request waits for another, neither to be sent nor to be answered.
    """

    def __init__(self, policy: Policy, patience: Patience) -> None:
        self._policy, self._patience = policy, patience

    async def submit(self, request: Request, /) -> Answer:
        """Return the policy's answer to a call with this request alone."""
        return (await ask(self._policy, [request], self._patience))[0]


class Batcher:
    """Joins requests into batches without making any episode wait.

    A batch leaves as soon as the event loop has nothing else to do: every episode that
    could still add to it is then waiting for an answer itself. No timer, no fixed size.
    """

    def __init__(self, policy: Policy, patience: Patience) -> None:
        self._policy, self._patience = policy, patience
        self._waiting: _Batch = []
        self._collector: asyncio.Task[None] | None = None
        self._batches: dict[asyncio.Task[None], _Batch] = {}

    async def submit(self, request: Request, /) -> Answer:
        """Return the policy's answer to a batch with this request in it."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._collector is None:
            self._collector = asyncio.create_task(self._collect())
        try:
            return await answer
        except asyncio.CancelledError:
            self._cancel_unwanted()
            raise

    async def _collect(self) -> None:
        seen = 0
        while seen != len(self._waiting):
            seen = len(self._waiting)
            for _ in range(_QUIET_TURNS):
                await asyncio.sleep(0)
        batch = [(request, answer) for request, answer in self._waiting if not answer.done()]
        self._waiting, self._collector = [], None
        if not batch:
            return  # every episode in it was cancelled meanwhile
        # A task of its own: a server may answer this batch while the next one gathers.
        task = asyncio.create_task(self._answer(batch))
        self._batches[task] = batch
        task.add_done_callback(self._batches.pop)

    async def _answer(self, batch: _Batch) -> None:
        answers = await ask(self._policy, [request for request, _ in batch], self._patience)
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if not waiting.done():
                waiting.set_result(answer)

    def _cancel_unwanted(self) -> None:
        for task, batch in self._batches.items():
            if all(answer.cancelled() for _, answer in batch):
                task.cancel()
