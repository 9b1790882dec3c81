"""ScriptedTeacher: a teacher for tests, which says what it was told to say."""

from collections.abc import Callable, Sequence

from skillrl_distiller.errors import TeacherError, TeacherRefused
from skillrl_distiller.teacher import TeacherReply, TeacherRequest, request_hash

Script = Sequence[str | TeacherError] | Callable[[TeacherRequest], str | TeacherError]
"""Replies in order of the calls, or a function of the request; errors are raised."""


class ScriptedTeacher:
    """Answers from a script and keeps every request it was asked in `requests`."""

    __test__ = False

    def __init__(
        self, replies: Script, *, name: str = "scripted", cost: float | None = None
    ) -> None:
        """Prepare a teacher that charges `cost` US dollars per call (None: unknown)."""
        self.requests: list[TeacherRequest] = []
        self._replies = replies
        self._name = name
        self._cost = cost

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def ask(self, request: TeacherRequest, /) -> TeacherReply:
        """Answer with the next reply; counts words as tokens.

        Raises:
            TeacherRefused: the script has no reply left.
        """
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, TeacherError):
            raise answer
        return TeacherReply(
            text=answer,
            model=self._name,
            prompt_tokens=sum(len(message.content.split()) for message in request.messages),
            completion_tokens=len(answer.split()),
            cost=self._cost,
            request_hash=request_hash(self._name, request),
        )

    def _answer(self, request: TeacherRequest) -> str | TeacherError:
        if callable(self._replies):
            return self._replies(request)
        asked = len(self.requests)
        if asked > len(self._replies):
            return TeacherRefused(f"the script has {len(self._replies)} replies, call {asked} came")
        return self._replies[asked - 1]
