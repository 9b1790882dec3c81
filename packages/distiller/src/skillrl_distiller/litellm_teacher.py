"""LitellmTeacher: any model that litellm can reach, behind the Teacher protocol.

litellm takes seconds to import, so it is loaded by the first call. Retries are ours:
litellm's own are switched off.
"""

import asyncio
import os
import random
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from skillrl_distiller.errors import TeacherError, TeacherRefused, TeacherUnavailable
from skillrl_distiller.teacher import TeacherReply, TeacherRequest, request_hash

if TYPE_CHECKING:
    from litellm import ModelResponse

_MAX_DELAY_S = 30.0
_MAX_MESSAGE_CHARS = 300
_NO_KEY = "none"  # some local servers need no key, but clients insist on sending one


@dataclass(frozen=True, slots=True)
class _Failure:
    error: TeacherError
    retryable: bool


class LitellmTeacher:
    """Asks one model; bounded in time, retries and length of the reply."""

    def __init__(
        self,
        model: str,
        *,
        api_key_env: str | None,
        api_base: str | None = None,
        timeout_s: float = 120.0,
        max_retries: int = 3,
        max_tokens: int = 4096,
        backoff_s: float = 1.0,
        rng: random.Random | None = None,
    ) -> None:
        """Describe the teacher; nothing is loaded, read or sent yet.

        Args:
            model: As litellm names it, such as "openai/gpt-4o" or "ollama/qwen3".
            api_key_env: The environment variable that holds the key, read at each
                call and never kept; None for servers that want no key.
            api_base: Address of the server; None for the provider's own.
            timeout_s: Longest wait for one attempt, in seconds.
            max_retries: Further attempts after failures that may pass.
            max_tokens: Longest reply.
            backoff_s: Mean delay before the first retry, in seconds; doubles each time.
            rng: Source of the jitter.
        """
        if timeout_s <= 0 or max_tokens < 1 or max_retries < 0 or backoff_s < 0:
            raise ValueError(
                f"timeout_s ({timeout_s}) and max_tokens ({max_tokens}) must be positive, "
                f"max_retries ({max_retries}) and backoff_s ({backoff_s}) not negative"
            )
        self._model = model
        self._api_key_env = api_key_env
        self._api_base = api_base
        self._timeout_s = timeout_s
        self._max_retries = max_retries
        self._max_tokens = max_tokens
        self._backoff_s = backoff_s
        self._rng = rng or random.Random()

    @property
    def name(self) -> str:
        """The model, as it was named to litellm."""
        return self._model

    async def ask(self, request: TeacherRequest, /) -> TeacherReply:
        """Answer with the model's text.

        Raises:
            TeacherUnavailable: every attempt timed out or met an overloaded or
                unreachable server.
            TeacherRefused: the key is missing or wrong, or the request is not accepted.
        """
        litellm = await asyncio.to_thread(_load_litellm)
        key = self._key()
        attempt = 0
        while True:
            result = await self._attempt(litellm, request, key)
            if isinstance(result, TeacherReply):
                return result
            if not result.retryable or attempt == self._max_retries:
                # Raised out here, so that no foreign exception, which may quote the
                # key, is attached to ours.
                raise result.error
            attempt += 1
            await asyncio.sleep(self._delay(attempt))

    def _key(self) -> str:
        if self._api_key_env is None:
            return _NO_KEY
        key = os.environ.get(self._api_key_env, "")
        if not key:
            raise TeacherRefused(
                f"{self._model}: the environment variable {self._api_key_env} is not set; "
                "put the teacher's key there"
            )
        return key

    def _delay(self, attempt: int) -> float:
        mean = min(_MAX_DELAY_S, self._backoff_s * 2.0 ** (attempt - 1))
        return mean * self._rng.uniform(0.5, 1.5)

    async def _attempt(
        self, litellm: ModuleType, request: TeacherRequest, key: str
    ) -> TeacherReply | _Failure:
        from openai import OpenAIError  # the parent of every error that litellm passes on

        try:
            async with asyncio.timeout(self._timeout_s):
                response = await litellm.acompletion(**self._arguments(litellm, request, key))
        except TimeoutError:
            why = f"no answer within {self._timeout_s:g} s"
            return _Failure(TeacherUnavailable(f"{self._model}: {why}"), retryable=True)
        except OpenAIError as err:
            return self._failure(litellm, err, key)
        return self._reply(response, request)

    def _arguments(self, litellm: ModuleType, request: TeacherRequest, key: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "api_key": key,
            "api_base": self._api_base,
            "timeout": self._timeout_s,
            "max_tokens": self._max_tokens,
            "num_retries": 0,
            "max_retries": 0,
            "drop_params": True,
        }
        if litellm.supports_response_schema(self._model):
            schema = {"name": "reply", "strict": True, "schema": dict(request.reply_schema)}
            arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
        return arguments

    def _failure(self, litellm: ModuleType, err: Exception, key: str) -> _Failure:
        kinds = litellm.exceptions
        retryable = isinstance(
            err,
            (
                kinds.APIConnectionError,
                kinds.BadGatewayError,
                kinds.InternalServerError,
                kinds.RateLimitError,
                kinds.ServiceUnavailableError,
                kinds.Timeout,
            ),
        )
        message = " ".join(str(err).replace(key, "***").split())[:_MAX_MESSAGE_CHARS]
        text = f"{self._model}: {type(err).__name__}: {message}"
        return _Failure(TeacherUnavailable(text) if retryable else TeacherRefused(text), retryable)

    def _reply(self, response: "ModelResponse", request: TeacherRequest) -> TeacherReply:
        choice = response.choices[0]
        usage = getattr(response, "usage", None)
        return TeacherReply(
            text=choice.message.content or "",
            model=self._model,
            prompt_tokens=getattr(usage, "prompt_tokens", None),
            completion_tokens=getattr(usage, "completion_tokens", None),
            cost=response._hidden_params.get("response_cost"),
            truncated=choice.finish_reason == "length",
            request_hash=request_hash(self._model, request),
        )


def _load_litellm() -> ModuleType:
    # Its cost map comes from the package instead of the network, and its advice to
    # report bugs stays off the standard output.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    return litellm
