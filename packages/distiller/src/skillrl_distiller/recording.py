"""RecordingTeacher: keeps every call to a teacher, and answers from what was kept.

The recording is an append-only JSONL file of RecordedCall, found again by the hash of
the request. It holds prompts and replies, and no key or address.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from skillrl_distiller.errors import RecordingError, ReplayMissing
from skillrl_distiller.teacher import (
    Teacher,
    TeacherReply,
    TeacherRequest,
    content_hash,
    request_hash,
)
from skillrl_envs.jsonl import JsonlWriter, read_jsonl
from skillrl_envs.policy import Message

Mode = Literal["live", "record", "replay", "replay-or-live"]
"""live: no recording; record: ask and append; replay: never ask;
replay-or-live: ask and append only what the recording lacks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """One question to a teacher and its answer."""

    schema_version: ClassVar[int] = 1

    request_hash: str
    teacher: str
    operator: str
    prompt_version: str
    messages: tuple[Message, ...]
    reply_schema: Mapping[str, Any]
    reply: TeacherReply


class RecordingTeacher:
    """Stands in front of a teacher; a question repeated to it gets the same answer."""

    def __init__(self, inner: Teacher, path: Path, mode: Mode) -> None:
        """Read the recording at `path`, if `mode` replays; a missing file is an empty one.

        Raises:
            RecordingError: a recorded call was changed after it was recorded.
        """
        self._inner = inner
        self._path = path
        self._mode = mode
        self._replies = _read(path) if mode in ("replay", "replay-or-live") else {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def name(self) -> str:
        """The inner teacher's name, so that hashes are the same with and without recording."""
        return self._inner.name

    async def ask(self, request: TeacherRequest, /) -> TeacherReply:
        """Answer from the recording or from the inner teacher, as the mode says.

        Raises:
            ReplayMissing: mode "replay", and the recording lacks this request.
        """
        if self._mode == "live":
            return await self._inner.ask(request)
        key = request_hash(self.name, request)
        async with self._locks[key]:
            if (known := self._replies.get(key)) is not None:
                return known
            if self._mode == "replay":
                raise ReplayMissing(
                    f"no recorded call {key} ({request.prompt_version} to {self.name}) "
                    f"in {self._path}"
                )
            reply = await self._inner.ask(request)
            self._record(key, request, reply)
            return reply

    def _record(self, key: str, request: TeacherRequest, reply: TeacherReply) -> None:
        call = RecordedCall(
            request_hash=key,
            teacher=self.name,
            operator=request.operator,
            prompt_version=request.prompt_version,
            messages=request.messages,
            reply_schema=request.reply_schema,
            reply=reply,
        )
        with JsonlWriter(self._path) as recording:
            recording.write(call)
        self._replies[key] = reply


def _read(path: Path) -> dict[str, TeacherReply]:
    # The latest recording of a question wins.
    replies = {}
    for call in read_jsonl(RecordedCall, path):
        key = content_hash(
            call.teacher, call.operator, call.prompt_version, call.messages, call.reply_schema
        )
        if key != call.request_hash:
            raise RecordingError(
                f"{path}: the call recorded as {call.request_hash} hashes to {key}; it was edited"
            )
        replies[key] = call.reply
    return replies
