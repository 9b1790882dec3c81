import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from skillrl_distiller import (
    LitellmTeacher,
    OfflineTeacher,
    RecordedCall,
    RecordingError,
    RecordingTeacher,
    ReplayMissing,
    ScriptedTeacher,
    TeacherRequest,
    TeacherUnavailable,
    distil,
    request_hash,
)
from skillrl_envs.jsonl import read_jsonl
from skillrl_envs.schema import from_json, to_json
from skillrl_envs.trajectory import Trajectory


def test_replay_gives_the_recorded_reply_without_asking(
    tmp_path: Path, request_: TeacherRequest
) -> None:
    file = tmp_path / "calls.jsonl"
    recorder = RecordingTeacher(ScriptedTeacher(["grüße\n"], cost=0.1), file, "record")
    recorded = asyncio.run(recorder.ask(request_))
    replayed = asyncio.run(RecordingTeacher(ScriptedTeacher([]), file, "replay").ask(request_))
    assert to_json(replayed).encode() == to_json(recorded).encode()


def test_replay_of_a_distillation_is_identical(
    tmp_path: Path, households: list[Trajectory]
) -> None:
    file = tmp_path / "calls.jsonl"
    recorded = asyncio.run(distil(households, RecordingTeacher(OfflineTeacher(), file, "record")))
    replayed = asyncio.run(distil(households, RecordingTeacher(OfflineTeacher(), file, "replay")))
    assert to_json(replayed) == to_json(recorded)


def test_missing_call_names_hash_and_file(tmp_path: Path, request_: TeacherRequest) -> None:
    file = tmp_path / "calls.jsonl"
    teacher = RecordingTeacher(ScriptedTeacher(["never"]), file, "replay")
    with pytest.raises(ReplayMissing) as caught:
        asyncio.run(teacher.ask(request_))
    assert request_hash("scripted", request_) in str(caught.value)
    assert str(file) in str(caught.value)


def test_replay_or_live_asks_only_for_what_is_missing(
    tmp_path: Path, request_: TeacherRequest
) -> None:
    file = tmp_path / "calls.jsonl"
    for replies in (["first"], []):
        teacher = RecordingTeacher(ScriptedTeacher(replies), file, "replay-or-live")
        assert asyncio.run(teacher.ask(request_)).text == "first"
    assert len(list(read_jsonl(RecordedCall, file))) == 1


def test_equal_questions_in_flight_are_asked_once(tmp_path: Path, request_: TeacherRequest) -> None:
    inner = ScriptedTeacher(["one", "two"])

    async def both() -> set[str]:
        teacher = RecordingTeacher(inner, tmp_path / "calls.jsonl", "record")
        replies = await asyncio.gather(teacher.ask(request_), teacher.ask(request_))
        return {reply.text for reply in replies}

    assert asyncio.run(both()) == {"one"}
    assert len(inner.requests) == 1


def test_live_mode_writes_nothing(tmp_path: Path, request_: TeacherRequest) -> None:
    file = tmp_path / "calls.jsonl"
    asyncio.run(RecordingTeacher(ScriptedTeacher(["a"]), file, "live").ask(request_))
    assert not file.exists()


def test_recording_again_is_what_later_replays_give(
    tmp_path: Path, request_: TeacherRequest
) -> None:
    file = tmp_path / "calls.jsonl"
    for text in ("old", "new"):
        asyncio.run(RecordingTeacher(ScriptedTeacher([text]), file, "record").ask(request_))
    replayer = RecordingTeacher(ScriptedTeacher([]), file, "replay")
    assert asyncio.run(replayer.ask(request_)).text == "new"


def test_failed_call_is_not_recorded(tmp_path: Path, request_: TeacherRequest) -> None:
    file = tmp_path / "calls.jsonl"
    teacher = RecordingTeacher(ScriptedTeacher([TeacherUnavailable("down"), "up"]), file, "record")
    with pytest.raises(TeacherUnavailable):
        asyncio.run(teacher.ask(request_))
    assert asyncio.run(teacher.ask(request_)).text == "up"


def test_hash_ignores_the_order_of_keys_and_nothing_else(request_: TeacherRequest) -> None:
    schema = dict(reversed(list(request_.reply_schema.items())))
    original = request_hash("m", request_)
    assert request_hash("m", replace(request_, reply_schema=schema)) == original
    assert request_hash("n", request_) != original
    assert request_hash("m", replace(request_, reply_schema={})) != original
    assert request_hash("m", replace(request_, prompt_version="success.v2")) != original
    assert request_hash("m", replace(request_, operator="general")) != original
    assert request_hash("m", replace(request_, messages=request_.messages[:1])) != original


def test_edited_recording_is_refused(tmp_path: Path, request_: TeacherRequest) -> None:
    file = tmp_path / "calls.jsonl"
    asyncio.run(RecordingTeacher(ScriptedTeacher(["a"]), file, "record").ask(request_))
    file.write_text(file.read_text().replace("what did you learn?", "what did you forget?"))
    with pytest.raises(RecordingError, match="it was edited"):
        RecordingTeacher(ScriptedTeacher([]), file, "replay")


def test_key_and_address_are_not_recorded(
    tmp_path: Path,
    request_: TeacherRequest,
    chat_server: Callable[..., Any],  # the server class lives in conftest
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEACHER_KEY", "sk-planted-2f9c1e77")
    server = chat_server([(200, "{}")])
    inner = LitellmTeacher("openai/local-model", api_key_env="TEACHER_KEY", api_base=server.base)
    file = tmp_path / "calls.jsonl"
    asyncio.run(RecordingTeacher(inner, file, "record").ask(request_))
    assert "sk-planted" not in file.read_text()
    assert "127.0.0.1" not in file.read_text()


def test_recorded_call_survives_json(tmp_path: Path, request_: TeacherRequest) -> None:
    file = tmp_path / "calls.jsonl"
    asyncio.run(RecordingTeacher(ScriptedTeacher(["a"]), file, "record").ask(request_))
    line = file.read_text().strip()
    assert to_json(from_json(RecordedCall, line)) == line


def test_recorded_call_has_the_golden_form(tmp_path: Path, request_: TeacherRequest) -> None:
    file = tmp_path / "calls.jsonl"
    asyncio.run(RecordingTeacher(ScriptedTeacher(["{}"]), file, "record").ask(request_))
    golden = Path(__file__).parent / "golden" / "recorded_call.jsonl"
    assert json.loads(file.read_text()) == json.loads(golden.read_text())
