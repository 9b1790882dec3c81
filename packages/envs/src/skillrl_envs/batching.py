"""Joins the requests of many episodes into batches without making any of them wait.

A batch leaves as soon as the event loop has nothing else to do: every episode that could
still add to it is then waiting for an answer itself. No timer, no fixed size.
"""

import asyncio

from skillrl_envs.errors import PolicyError
from skillrl_envs.policy import Completion, Policy, Request

_QUIET_TURNS = 3
"""Turns of the event loop without a new request after which a batch leaves; a finished
episode needs two to let the next one start."""


class Batcher:
    """Collects single requests and hands them to a policy together."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._waiting: list[tuple[Request, asyncio.Future[Completion]]] = []
        self._collector: asyncio.Task[None] | None = None
        self._batches: set[asyncio.Task[None]] = set()

    async def submit(self, request: Request) -> Completion:
        """Return the policy's completion; raises what the policy raised for its batch."""
        answer: asyncio.Future[Completion] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._collector is None:
            self._collector = asyncio.create_task(self._collect())
        return await answer

    async def _collect(self) -> None:
        seen = 0
        while seen != len(self._waiting):
            seen = len(self._waiting)
            for _ in range(_QUIET_TURNS):
                await asyncio.sleep(0)
        batch, self._waiting, self._collector = self._waiting, [], None
        # A task of its own: a server may answer this batch while the next one gathers.
        task = asyncio.create_task(self._answer(batch))
        self._batches.add(task)
        task.add_done_callback(self._batches.discard)

    async def _answer(self, batch: list[tuple[Request, asyncio.Future[Completion]]]) -> None:
        try:
            completions = await self._policy.generate([request for request, _ in batch])
            if len(completions) != len(batch):
                raise PolicyError(f"{len(batch)} requests got {len(completions)} completions")
        except Exception as err:  # noqa: BLE001  # handed to every episode that waits for it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(err)
            return
        for (_, answer), completion in zip(batch, completions, strict=True):
            if not answer.done():
                answer.set_result(completion)
