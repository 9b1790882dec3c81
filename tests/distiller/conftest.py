"""Made-up worlds whose episodes are written by rule, so that what is to be mined is known."""

import json
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from skillbank.skill import Kind, Provenance, Skill
from skillrl_distiller.teacher import TeacherRequest
from skillrl_envs.policy import Message
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Ended, Outcome, Step, Trajectory

Play = Sequence[tuple[str, str]]
"""Actions with the environment's answers; an answer of "?" marks an invalid action."""


def build_episode(
    group: str,
    instruction: str,
    play: Play,
    *,
    success: bool,
    category: str = "any",
    start: str = "You are in a room.",
    ended: Ended | None = None,
    reply: str | None = None,
) -> Trajectory:
    steps, seen = [], start
    for action, answer in play:
        steps.append(
            Step(
                observation=seen,
                admissible=(),
                messages=(),
                reply=reply or action,
                action=action,
                valid=answer != "?",
                reward=0.0,
                completion=None,
            )
        )
        seen = "Nothing happens." if answer == "?" else answer
    kind = "terminated" if success else "truncated"
    return Trajectory(
        run_id="run",
        task=Task(id=group, env="made-up", category=category, split="train"),
        instruction=instruction,
        seed=0,
        group_id=group,
        replica=0,
        policy_version="p",
        bank_revision=None,
        context="window",
        skills="",
        exposure=None,
        steps=tuple(steps),
        final_observation=seen,
        outcome=Outcome(success=success, reward=float(success)),
        ended=ended or Ended(kind=kind, reason="goal" if success else "step limit"),  # type: ignore[arg-type]  # a str to mypy
        prompt_tokens=0,
        completion_tokens=0,
    )


def household(count: int, seed: int) -> list[Trajectory]:
    """Heat a thing and bring it away. Mugs are in fridges, apples on tables."""
    rng = random.Random(seed)
    homes = {"mug": "fridge", "apple": "table", "potato": "drawer"}
    places = ["fridge 1", "table 1", "drawer 1", "drawer 2", "cabinet 1", "cabinet 2"]
    episodes = []
    for number in range(count):
        thing = rng.choice(sorted(homes))
        target = rng.choice(["shelf", "desk", "bed"])
        home = next(place for place in places if place.startswith(homes[thing]))
        success = number % 2 == 0
        play = [
            (f"go to {place}", f"You arrive at {place}. It is empty.")
            for place in rng.sample([p for p in places if p != home], 2)
        ]
        play += [
            (f"go to {home}", f"You arrive at {home}. On it you see a {thing} 1."),
            (f"take {thing} 1 from {home}", f"You pick up the {thing} 1 from the {home}."),
        ]
        if success:
            play += [
                ("go to microwave 1", "You arrive at microwave 1. It is closed."),
                (f"heat {thing} 1 with microwave 1", f"You heat the {thing} 1."),
                (f"go to {target} 1", f"You arrive at {target} 1. It is empty."),
                (f"move {thing} 1 to {target} 1", f"You move the {thing} 1 to the {target} 1."),
            ]
        else:
            play += [
                (f"go to {target} 1", f"You arrive at {target} 1. It is empty."),
                (f"move {thing} 1 to {target} 1", f"You move the {thing} 1 to the {target} 1."),
                *[("look", "You look around.")] * 4,
            ]
        told = [f"put a hot {thing} in {target}.", f"heat some {thing} and put it in {target}."]
        start = "You see a microwave 1, a shelf 1, a desk 1, a bed 1, and some furniture."
        instruction = rng.choice(told)
        episodes.append(
            build_episode(
                f"house-{seed}-{number}",
                instruction,
                play,
                success=success,
                category="warm",
                start=f"{start}\n\nYour task is to: {instruction}",
            )
        )
    return episodes


def shop(count: int, seed: int) -> list[Trajectory]:
    """Search, open a page, choose an option, buy. Failures forget the option."""
    rng = random.Random(seed)
    episodes = []
    for number in range(count):
        colour = rng.choice(["red", "blue", "green", "black"])
        ware = rng.choice(["lamp", "shirt", "kettle", "rug"])
        cloth = rng.choice(["cotton", "steel", "wool"])
        size = rng.choice(["small", "large", "xxl"])
        success = number % 2 == 0
        page = f"b{rng.randrange(10**6):06d}x"
        play = [
            (f"search[{colour} {cloth} {ware}]", f"[SEP] results for {colour} {ware} {page}"),
            (f"click[{page}]", f"[SEP] page {page} sizes small large xxl"),
        ]
        if success:
            play.append((f"click[{size}]", f"[SEP] page {page} you chose {size}"))
        play.append(("click[buy now]", "[SEP] thank you"))
        episodes.append(
            build_episode(
                f"shop-{seed}-{number}",
                f"i want a {colour} {ware} made of {cloth}, in size {size}",
                play,
                success=success,
                category="wares",
                start="[SEP] welcome",
                ended=Ended(kind="terminated", reason="bought"),
            )
        )
    return episodes


def build_skill(
    skill_id: str,
    *,
    title: str = "a title",
    principle: str = "a principle.",
    kind: Kind = "mistake",
    category: str | None = "any",
) -> Skill:
    return Skill(
        id=skill_id,
        version=1,
        title=title,
        principle=principle,
        when_to_apply="always",
        kind=kind,
        category=category,
        status="active",
        status_reason=None,
        provenance=Provenance(source="manual"),
        created_revision=1,
    )


@pytest.fixture
def episode() -> Callable[..., Trajectory]:
    return build_episode


@pytest.fixture
def skill() -> Callable[..., Skill]:
    return build_skill


@pytest.fixture
def households() -> list[Trajectory]:
    return household(24, seed=1)


@pytest.fixture
def shops() -> list[Trajectory]:
    return shop(24, seed=1)


class ChatServer:
    """Speaks the OpenAI chat completions protocol on 127.0.0.1, from a script.

    A script entry is a status and a text: the reply's content for 200, else the error's
    message. HANG leaves the request unanswered until the server closes; GARBAGE answers 200 with
    a text that is no JSON.
    """

    HANG = 0
    GARBAGE = 1

    def __init__(self, script: Sequence[tuple[int, str]]) -> None:
        self.script = list(script)
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.closing = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                server.bodies.append(json.loads(body))
                server.keys.append(self.headers.get("authorization", ""))
                status, text = server.script.pop(0)
                if status == ChatServer.HANG:
                    server.closing.wait(20)
                    return
                answer = _completion(text) if status == 200 else {"error": {"message": text}}
                garbage = status == ChatServer.GARBAGE
                data = text.encode() if garbage else json.dumps(answer).encode()
                self.send_response(200 if garbage else status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _completion(text: str) -> dict[str, Any]:
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "local-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


@pytest.fixture
def chat_server() -> Iterator[Callable[[Sequence[tuple[int, str]]], ChatServer]]:
    servers: list[ChatServer] = []

    def start(script: Sequence[tuple[int, str]]) -> ChatServer:
        servers.append(ChatServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def request_() -> TeacherRequest:
    return TeacherRequest(
        operator="success",
        prompt_version="success.v1",
        category="any",
        messages=(Message("system", "be brief"), Message("user", "what did you learn?")),
        reply_schema={"type": "object", "properties": {"skills": {"type": "array"}}},
        max_items=3,
        evidence=(),
        cause_id="success/any",
    )
