"""Who decides in an episode: a model's policy, or a scripted agent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from skillrl_envs.agent import ScriptedAgent
from skillrl_envs.batching import Batcher, Dispatcher, Streamer
from skillrl_envs.patience import Patience
from skillrl_envs.policy import Completion, Policy, Request
from skillrl_envs.prompt import EpisodeView, PromptFormat


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer to one step."""

    text: str
    completion: Completion | None
    """None for scripted agents."""
    executed: str | None = None
    """Sent to the environment in place of the reply's own action."""
    wasted_tokens: int = 0
    """Known to be generated in vain before this answer came."""
    lost_attempts: int = 0
    """Attempts before it of which nobody says what they generated."""


Responder = Callable[[EpisodeView, Request], Awaitable[Reply]]
"""Decides one step of one episode; raises PolicyFailure where no answer can be had."""


def policy_responder(
    policy: Policy, *, streaming: bool = False, patience: Patience | None = None
) -> Responder:
    """Let a policy decide.

    Args:
        policy: Who answers.
        streaming: Send each request on its own and at once, for a policy in front of a
            server that schedules by itself; otherwise concurrent episodes are answered in
            batches, for a model in this process.
        patience: Time limit and attempts; None for the defaults.
    """
    way = Streamer if streaming else Batcher
    dispatcher: Dispatcher = way(policy, patience or Patience())

    async def respond(view: EpisodeView, request: Request) -> Reply:
        del view  # a policy sees messages, nothing else
        answer = await dispatcher.submit(request)
        completion = answer.usable()
        return Reply(
            completion.text,
            completion,
            wasted_tokens=answer.wasted_tokens,
            lost_attempts=answer.lost_attempts,
        )

    return respond


def script_responder(agent: ScriptedAgent, prompt: PromptFormat) -> Responder:
    """Let a scripted agent decide; its replies have the form that `prompt` asks for."""

    async def respond(view: EpisodeView, request: Request) -> Reply:
        del request
        decision = agent.decide(view)
        text = prompt.compose(decision.thought, decision.action)
        return Reply(text, None, decision.executed)

    return respond
