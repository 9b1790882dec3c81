import asyncio
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from skillrl_distiller import (
    LitellmTeacher,
    TeacherError,
    TeacherRefused,
    TeacherReply,
    TeacherRequest,
    TeacherUnavailable,
    request_hash,
)

KEY = "sk-planted-2f9c1e77"
StartServer = Callable[[Sequence[tuple[int, str]]], Any]  # the server class lives in conftest


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)


def teacher(base: str, **changes: float) -> LitellmTeacher:
    limits: dict[str, Any] = {"timeout_s": 15, "max_retries": 2, "max_tokens": 50} | changes
    return LitellmTeacher(
        "openai/local-model", api_key_env="TEACHER_KEY", api_base=base, backoff_s=0.01, **limits
    )


def ask(teacher: LitellmTeacher, request: TeacherRequest) -> TeacherReply:
    return asyncio.run(teacher.ask(request))


def test_reply_carries_text_tokens_hash_and_unknown_price(
    chat_server: StartServer, request_: TeacherRequest
) -> None:
    server = chat_server([(200, '{"skills": []}')])
    assert ask(teacher(server.base), request_) == TeacherReply(
        text='{"skills": []}',
        model="openai/local-model",
        prompt_tokens=11,
        completion_tokens=7,
        cost=None,
        request_hash=request_hash("openai/local-model", request_),
    )


def test_server_gets_the_prompt_the_length_limit_and_the_key(
    chat_server: StartServer, request_: TeacherRequest
) -> None:
    server = chat_server([(200, "{}")])
    ask(teacher(server.base), request_)
    assert server.bodies[0]["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what did you learn?"},
    ]
    assert server.bodies[0]["max_tokens"] == 50
    assert server.keys == [f"Bearer {KEY}"]


def test_known_model_is_priced_and_gets_the_schema(
    chat_server: StartServer, request_: TeacherRequest
) -> None:
    server = chat_server([(200, "{}")])
    priced = LitellmTeacher("openai/gpt-4o", api_key_env="TEACHER_KEY", api_base=server.base)
    # gpt-4o in litellm's map: 2.5 US$ per million prompt tokens, 10 per million others
    assert ask(priced, request_).cost == pytest.approx(11 * 2.5e-6 + 7 * 10e-6)
    schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
    assert schema == request_.reply_schema


def test_overload_is_retried(chat_server: StartServer, request_: TeacherRequest) -> None:
    server = chat_server([(500, "overloaded"), (429, "slow down"), (200, "fine")])
    assert ask(teacher(server.base), request_).text == "fine"
    assert len(server.bodies) == 3


def test_retries_are_bounded(chat_server: StartServer, request_: TeacherRequest) -> None:
    server = chat_server([(500, "overloaded")] * 5)
    with pytest.raises(TeacherUnavailable, match="overloaded"):
        ask(teacher(server.base, max_retries=1), request_)
    assert len(server.bodies) == 2


def test_wrong_key_is_not_retried_and_stays_out_of_the_error(
    chat_server: StartServer, request_: TeacherRequest
) -> None:
    server = chat_server([(401, f"Incorrect API key provided: {KEY}")])
    with pytest.raises(TeacherRefused) as caught:
        ask(teacher(server.base), request_)
    assert len(server.bodies) == 1
    assert "Incorrect API key" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_missing_key_names_the_variable(
    request_: TeacherRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TEACHER_KEY")
    with pytest.raises(TeacherRefused, match="TEACHER_KEY is not set"):
        ask(teacher("http://127.0.0.1:9/v1"), request_)


def test_key_is_not_kept(request_: TeacherRequest, chat_server: StartServer) -> None:
    asked = teacher(chat_server([(200, "{}")]).base)
    ask(asked, request_)
    assert KEY not in repr(vars(asked))


def test_silent_server_times_out(chat_server: StartServer, request_: TeacherRequest) -> None:
    server = chat_server([(200, "loaded"), (0, "")])
    ask(teacher(server.base), request_)
    asked = teacher(server.base, timeout_s=1.0, max_retries=0)
    started = time.monotonic()
    with pytest.raises(TeacherUnavailable):
        ask(asked, request_)
    assert time.monotonic() - started < 5


def test_answer_that_is_no_json_is_a_teacher_error(
    chat_server: StartServer, request_: TeacherRequest
) -> None:
    server = chat_server([(1, "<html>gateway</html>")])
    with pytest.raises(TeacherError, match="openai/local-model"):
        ask(teacher(server.base, max_retries=0), request_)


def test_unreachable_server_is_unavailable(request_: TeacherRequest) -> None:
    with pytest.raises(TeacherUnavailable):
        ask(teacher("http://127.0.0.1:9/v1", max_retries=0), request_)


@pytest.mark.parametrize("limit", ["timeout_s", "max_tokens", "max_retries"])
def test_senseless_limits_are_refused(limit: str) -> None:
    with pytest.raises(ValueError, match=limit):
        teacher("http://127.0.0.1:9/v1", **{limit: -1})
