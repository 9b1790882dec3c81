"""A chat server over HTTP that fails on purpose, and a policy that talks to it.

The server hangs, refuses, hangs up, sends half an answer and cuts replies short, each by a
draw that is seeded by the request, so that every run sees the same trouble. Its replies
depend on the request alone, never on the attempt: a run in which everything goes well must
come to the same episodes. It keeps its own books, which a client's can be held against.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from skillrl_envs.errors import PolicyError, TransientPolicyError
from skillrl_envs.policy import Completion, Request

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Shares of attempts that go wrong, each in its own way."""

    hang: float = 0.02
    """Never answered."""
    refuse: float = 0.05
    """503 with Retry-After, nothing generated."""
    hang_up: float = 0.03
    """The connection is closed without a word."""
    halve: float = 0.03
    """Half of the answer, then the connection is closed."""
    doomed: float = 0.02
    """Share of episodes of which every attempt is refused from some step on."""
    cut_short: float = 0.1
    """Share of replies that end in the middle, with finish_reason "length"."""
    latency: float = 0.02
    """Most seconds before an answer."""


NO_TROUBLE = Trouble(hang=0.0, refuse=0.0, hang_up=0.0, halve=0.0, doomed=0.0)
"""Replies are cut short as ever: that is the model's doing, not the server's."""


class UnreliableServer:
    """Serves on 127.0.0.1 while its context is open; one request per connection."""

    def __init__(self, trouble: Trouble, *, seed: int) -> None:
        self._trouble, self._seed = trouble, seed
        self._attempts: Counter[tuple[str, int]] = Counter()
        self._server: asyncio.Server | None = None
        self._busy: set[asyncio.Task[None]] = set()
        self.port = 0
        self.fates: Counter[str] = Counter()
        """Attempts by what became of them."""
        self.generated = 0
        """Tokens of every reply that was generated, whoever got it."""
        self.busiest = 0
        """Most requests that were open at one time."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, backlog=4096, limit=2**20
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._busy:
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._busy.add(task)
        self.busiest = max(self.busiest, len(self._busy))
        try:
            await self._answer(await _read(reader), reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client gave up
        finally:
            writer.close()
            self._busy.discard(task)

    async def _answer(
        self,
        asked: Mapping[str, Any],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        key = (str(asked["episode"]), int(asked["step"]))
        self._attempts[key] += 1
        fate = self._fate(*key, self._attempts[key])
        self.fates[fate] += 1
        latency = random.Random(f"{self._seed}/{key}/latency").uniform(0, self._trouble.latency)
        await asyncio.sleep(latency)
        if fate == "refused":
            writer.write(_response(503, b"{}", "Retry-After: 0.05\r\n"))
        elif fate != "hung up":
            body = self._reply(asked)
            if fate == "hung":
                await reader.read()  # until the client closes
            elif fate == "halved":
                writer.write(_response(200, body)[: -(len(body) // 2)])
            else:
                writer.write(_response(200, body))
        await writer.drain()

    def _fate(self, episode: str, step: int, attempt: int) -> str:
        trouble = self._trouble
        life = random.Random(f"{self._seed}/{episode}")
        if life.random() < trouble.doomed and step >= life.randint(0, 5):
            return "refused"
        draw = random.Random(f"{self._seed}/{episode}/{step}/{attempt}").random()
        for fate, share in (
            ("hung", trouble.hang),
            ("refused", trouble.refuse),
            ("hung up", trouble.hang_up),
            ("halved", trouble.halve),
        ):
            draw -= share
            if draw < 0:
                return fate
        return "answered"

    def _reply(self, asked: Mapping[str, Any]) -> bytes:
        rng = random.Random(int(asked["seed"]))
        prompt = asked["messages"][-1]["content"]
        actions = prompt.rpartition("Admissible actions:\n")[2].splitlines()
        thought = " ".join(["hm"] * rng.randint(3, 60))
        words = f"<think>{thought}</think> <action>{rng.choice(actions)}</action>".split(" ")
        cut = rng.random() < self._trouble.cut_short
        words = words[: max(1, len(words) // 2)] if cut else words
        self.generated += len(words)
        reply = {
            "text": " ".join(words),
            "finish_reason": "length" if cut else "stop",
            "prompt_tokens": sum(len(m["content"].split()) for m in asked["messages"]),
            "completion_tokens": len(words),
        }
        return json.dumps(reply).encode()


async def _read(reader: asyncio.StreamReader) -> Mapping[str, Any]:
    head = (await reader.readuntil(_HEAD_END)).decode("latin-1").lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    asked: Mapping[str, Any] = json.loads(await reader.readexactly(length))
    return asked


def _response(status: int, body: bytes, headers: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status} -\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


class HttpPolicy:
    """Asks an UnreliableServer, one connection per request; says what may be tried again."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        """Return the server's completions; they have counts, but no token ids."""
        return list(await asyncio.gather(*(self._one(request) for request in requests)))

    async def _one(self, request: Request) -> Completion:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(_question(request))
            status, headers = await _read_head(reader)
            if status == 503:
                raise TransientPolicyError(
                    "the server is overloaded (503)",
                    retry_after=float(headers["retry-after"]),
                    generated=[0],
                )
            if status != 200:
                raise PolicyError(f"the server answered with status {status}")
            body = await reader.readexactly(int(headers["content-length"]))
        except asyncio.IncompleteReadError as err:
            raise TransientPolicyError(f"the answer ended after {len(err.partial)} bytes") from err
        finally:
            writer.close()
        return Completion(**json.loads(body), policy_version="server")


def _question(request: Request) -> bytes:
    body = json.dumps(
        {
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "episode": request.episode_id,
            "step": request.step,
            "seed": request.seed,
        }
    ).encode()
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(_HEAD_END)).decode("latin-1").split("\r\n")
    headers = [line.partition(":") for line in lines[1:] if line]
    return int(lines[0].split(" ")[1]), {k.lower(): v.strip() for k, _, v in headers}
