"""Teacher: whatever turns evidence into proposed skills, a language model or not."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from skillbank.skill import Skill
from skillrl_envs.policy import Message
from skillrl_envs.trajectory import Trajectory

Operator = Literal["success", "failure", "general", "evolve"]
"""success: what worked in one category; failure: what went wrong in one category;
general: what holds across categories; evolve: changes to existing skills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherRequest:
    """One question, as a prompt for a language model and as data for any other teacher."""

    operator: Operator
    prompt_version: str
    """Such as "success.v1"."""
    category: str | None
    """None where the question spans categories."""
    messages: tuple[Message, ...]
    """Says everything that the fields below say."""
    reply_schema: Mapping[str, Any]
    """JSON schema of the reply."""
    max_items: int
    """Most skills, lessons or proposals in the reply."""
    evidence: tuple[Trajectory, ...]
    shown: Mapping[str, tuple[Skill, ...]] = field(default_factory=dict)
    """Trajectory id -> the skills that stood in its prompts."""
    existing: tuple[Skill, ...] = ()
    """Skills that the reply may revise or retire and must not repeat."""
    cause_id: str
    """Under which the cost of this call is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherReply:
    """What a teacher answered and what that took."""

    schema_version: ClassVar[int] = 1

    text: str
    """JSON, not yet checked."""
    model: str
    """The teacher's name, never its address or key."""
    prompt_tokens: int | None
    """None where the teacher did not say, never 0 for unknown."""
    completion_tokens: int | None
    cost: float | None
    """US dollars; None where the price is unknown, never 0 for unknown."""
    truncated: bool = False
    """The reply hit the teacher's length limit."""
    request_hash: str


class Teacher(Protocol):
    """Answers requests for skills; the only thing distillation knows about a model."""

    @property
    def name(self) -> str:
        """Written into every skill's provenance; part of the request hash."""
        ...

    async def ask(self, request: TeacherRequest, /) -> TeacherReply:
        """Answer `request`, or raise TeacherError."""
        ...


def request_hash(teacher: str, request: TeacherRequest) -> str:
    """Return the SHA-256 that names this question to this teacher.

    Covers the teacher's name, operator, prompt version, messages and reply schema;
    the order of the schema's keys does not matter.
    """
    return content_hash(
        teacher, request.operator, request.prompt_version, request.messages, request.reply_schema
    )


def content_hash(
    teacher: str,
    operator: str,
    prompt_version: str,
    messages: tuple[Message, ...],
    reply_schema: Mapping[str, Any],
) -> str:
    """Return `request_hash` from its parts, as a recording holds them."""
    parts = {
        "teacher": teacher,
        "operator": operator,
        "prompt_version": prompt_version,
        "messages": [{"role": message.role, "content": message.content} for message in messages],
        "reply_schema": reply_schema,
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
