"""Who decides in an episode: a model's policy, or a scripted agent."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from skillrl_envs.agent import ScriptedAgent
from skillrl_envs.batching import Batcher
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


Responder = Callable[[EpisodeView, Request], Awaitable[Reply]]
"""Decides one step of one episode."""


def policy_responder(policy: Policy) -> Responder:
    """Let a policy decide; requests of concurrent episodes are answered in batches."""
    batcher = Batcher(policy)

    async def respond(view: EpisodeView, request: Request) -> Reply:
        del view  # a policy sees messages, nothing else
        completion = await batcher.submit(request)
        return Reply(completion.text, completion)

    return respond


def script_responder(agent: ScriptedAgent, prompt: PromptFormat) -> Responder:
    """Let a scripted agent decide; its replies have the form that `prompt` asks for."""

    async def respond(view: EpisodeView, request: Request) -> Reply:
        del request
        decision = agent.decide(view)
        text = prompt.compose(decision.thought, decision.action)
        return Reply(text, None, decision.executed)

    return respond
