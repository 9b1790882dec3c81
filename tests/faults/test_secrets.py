"""A teacher's key is used, and written nowhere; what the teacher was asked is real."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.faults.fix_runs import TINY, App, lines, units, wait_for

from skillbank.embedded.layout import find_layout

KEY = "sk-planted-5d8e2b90c471"
SKILL: dict[str, Any] = {
    "title": "look before you take",
    "principle": "go where the thing is, then take it.",
    "when_to_apply": "always",
}


class Teacher:
    """Answers every chat completion on 127.0.0.1 with one skill, and remembers the questions."""

    def __init__(self) -> None:
        self.questions: list[str] = []
        self.keys: set[str] = set()
        teacher = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                teacher.questions.append("\n".join(m["content"] for m in body["messages"]))
                teacher.keys.add(self.headers.get("authorization", ""))
                data = json.dumps(_answer(teacher.questions[-1])).encode()
                self.send_response(200)
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
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _answer(question: str) -> dict[str, Any]:
    # Right for the operators that ask for skills; the one that asks for lessons refuses it.
    episode = re.search(r"^### Episode (\S+) \(", question, re.M)
    assert episode
    skill = {**SKILL, "citations": [{"trajectory_id": episode[1], "steps": []}]}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "x",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": json.dumps({"skills": [skill]})},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }


@pytest.fixture
def teacher() -> Iterator[Teacher]:
    teacher = Teacher()
    yield teacher
    teacher.close()


def test_the_key_is_sent_and_kept_nowhere_and_the_questions_are_real(
    app: App, teacher: Teacher
) -> None:
    run = app.new_run()
    running = app.start(
        "run", "quickstart", *TINY, "collect.episodes=30", "collect.noise=0.4",
        "teacher.model=openai/x", f"teacher.api_base={teacher.address}",
        "teacher.api_key_env=TEACHER_KEY", "--run", run,
        environment={"TEACHER_KEY": KEY},
    )  # fmt: skip
    wait_for(lambda: "model" in units(run), running)
    running.kill()
    ended = running.wait()
    assert teacher.keys == {f"Bearer {KEY}"}
    assert KEY not in ended.out + ended.err
    assert files_with(KEY, run) == []
    layout = find_layout(run / "bank")
    assert layout is not None
    assert files_with(KEY, layout.base) == []
    # That the search finds what is there: the skill is in the bank and in the recording.
    assert files_with(SKILL["title"], run / "teacher.jsonl")
    assert files_with(SKILL["title"], layout.base)

    recorded = [
        "\n".join(m["content"] for m in c["messages"]) for c in lines(run / "teacher.jsonl")
    ]
    assert sorted(recorded) == sorted(teacher.questions)
    failed = [
        e for e in lines(run / "trajectories" / "collect.jsonl") if not e["outcome"]["success"]
    ]
    assert failed
    shown = [e for e in failed if any(f"### Episode {name(e)} (failure)" in q for q in recorded)]
    assert shown
    for episode in shown:
        question = next(q for q in recorded if f"### Episode {name(episode)} (failure)" in q)
        assert episode["instruction"] in question
        assert episode["task"]["category"] in question
        seen = [step["observation"].splitlines()[-1] for step in episode["steps"][1:3]]
        assert [text for text in seen if text not in question] == []


def name(episode: dict[str, Any]) -> str:
    return f"{episode['group_id']}/{episode['replica']}"


def files_with(text: str, place: Path) -> list[Path]:
    """Every file at or under `place` that holds `text`."""
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]
