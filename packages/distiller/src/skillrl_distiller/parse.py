"""A teacher's text to a checked reply, or an error that says where it went wrong."""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any, NoReturn, TypeVar

from skillrl_distiller.errors import TeacherReplyError
from skillrl_distiller.replies import REPLY_TYPES, Reply
from skillrl_distiller.teacher import TeacherReply

R = TypeVar("R", bound=Reply)

MAX_REPLY_CHARS = 200_000
"""A longer reply is refused unread."""
_FENCED = re.compile(r"\A```[a-zA-Z]*[ \t]*\r?\n(.*?)\r?\n?```\Z", re.DOTALL)


def parse_reply(kind: type[R], reply: TeacherReply) -> R:
    """Return the reply as a `kind`; a single ``` fence around the JSON is accepted.

    Raises:
        TeacherReplyError: not JSON, or not of the agreed form; names the position
            and shows an excerpt.
    """
    from pydantic import ValidationError

    text = _unfenced(reply)
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as err:
        raise TeacherReplyError(
            f"reply is not JSON at char {err.pos} ({err.msg.lower()}): "
            f"{text[err.pos : err.pos + 40]!r}{_truncation(reply)}"
        ) from err
    except RecursionError as err:
        raise TeacherReplyError(f"reply is nested too deeply: {text[:40]!r}") from err
    try:
        return _adapter(kind.__name__).validate_json(text, strict=True)  # type: ignore[no-any-return]  # checked by pydantic
    except ValidationError as err:
        first = err.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "the top level"
        raise TeacherReplyError(
            f"reply breaks the schema at {where}: {first['msg']}, got {repr(first['input'])[:80]}"
        ) from err


def reply_schema(kind: type[R]) -> Mapping[str, Any]:
    """Return the JSON schema of `kind`: every field required, no others allowed."""
    return _adapter(kind.__name__).json_schema()  # type: ignore[no-any-return]  # a JSON mapping


def _unfenced(reply: TeacherReply) -> str:
    text = reply.text.strip()
    if not text:
        raise TeacherReplyError(f"reply is empty{_truncation(reply)}")
    if len(text) > MAX_REPLY_CHARS:
        raise TeacherReplyError(
            f"reply has {len(text)} characters, at most {MAX_REPLY_CHARS} are read: {text[:40]!r}"
        )
    fenced = _FENCED.match(text)
    return fenced.group(1) if fenced else text


def _truncation(reply: TeacherReply) -> str:
    return "; it was cut off at the teacher's length limit" if reply.truncated else ""


def _refuse_constant(name: str) -> NoReturn:
    raise TeacherReplyError(f"reply holds {name}, which JSON does not allow")


@cache
def _adapter(name: str) -> Any:  # noqa: ANN401  # TypeAdapter of a class known by name only
    # Imported late: pydantic is half of this package's import time.
    from pydantic import ConfigDict, TypeAdapter, with_config

    for reply_type in REPLY_TYPES:
        with_config(ConfigDict(extra="forbid"))(reply_type)
    return TypeAdapter({kind.__name__: kind for kind in REPLY_TYPES}[name])
