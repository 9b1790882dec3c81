"""The rollout engine: many episodes at once, none waiting for the slowest.

One coroutine plays one episode. Episodes name their task explicitly, so that a group is
one task repeated; every request has its own seed; an episode that has finished costs
nothing; one that breaks is recorded as failed and does not stop the others.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from skillrl_envs.env import Env, Observation, StepResult
from skillrl_envs.errors import GameFileError, UnknownTaskError
from skillrl_envs.exposure import Exposure, SkillSource
from skillrl_envs.policy import Message, Request
from skillrl_envs.prompt import EpisodeView, PromptFormat, Turn
from skillrl_envs.responder import Responder
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Ended, Outcome, Step, Trajectory


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSpec:
    """One episode to play."""

    task: Task
    group_id: str
    """Rollouts that are compared with each other share it; it must not contain another's
    replica number, so that "group/replica" names one episode of a run."""
    replica: int
    seed: int

    @property
    def id(self) -> str:
        """The id its trajectory will have."""
        return f"{self.group_id}/{self.replica}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutSettings:
    """How episodes are played."""

    max_steps: int = 50
    """Environment steps per episode (the paper's 50 for ALFWorld)."""
    max_invalid: int | None = None
    """Invalid replies in a row that end an episode; None never does."""
    max_tokens: int = 512
    """Longest reply, in tokens (the paper's 512 for ALFWorld)."""
    temperature: float = 1.0
    """The paper's sampling temperature in training; 0 is greedy."""
    concurrency: int = 256
    """Episodes in flight at once."""

    def __post_init__(self) -> None:
        for name in ("max_steps", "max_tokens", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_invalid is not None and self.max_invalid < 1:
            raise ValueError(f"max_invalid must be at least 1 or None, got {self.max_invalid}")
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Player:
    """Everything that plays: where, by what prompt, with which skills, who decides."""

    run_id: str
    make_env: Callable[[Task], Env]
    prompt: PromptFormat
    respond: Responder
    policy_version: str
    skills: SkillSource | None = None
    settings: RolloutSettings = field(default_factory=RolloutSettings)


async def rollout(player: Player, specs: Sequence[EpisodeSpec]) -> AsyncIterator[Trajectory]:
    """Play every episode and yield its trajectory as it ends, in no fixed order.

    What an episode does depends on its spec and the weights alone, never on the episodes
    that happen to run beside it (up to rounding in batched arithmetic).
    """
    slots = asyncio.Semaphore(player.settings.concurrency)

    async def play(spec: EpisodeSpec) -> Trajectory:
        async with slots:
            return await _Episode(player, spec).play()

    running = [asyncio.create_task(play(spec)) for spec in specs]
    try:
        for finished in asyncio.as_completed(running):
            yield await finished
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def request_seed(episode_seed: int, step: int) -> int:
    """Return the sampling seed of one request: 63 bits, unrelated between steps."""
    digest = hashlib.blake2b(f"{episode_seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class _Episode:
    """One episode in progress."""

    def __init__(self, player: Player, spec: EpisodeSpec) -> None:
        self._player, self._spec = player, spec
        self._instruction = ""
        self._block: str = ""
        self._exposure: Exposure | None = None
        self._steps: list[Step] = []
        self._turns: list[Turn] = []
        self._observation = Observation("", ())
        self._last: StepResult | None = None
        self._reward = 0.0

    async def play(self) -> Trajectory:
        """Play to the end; whatever breaks ends this episode as failed, with the reason."""
        try:
            ended = await self._play()
        except (GameFileError, UnknownTaskError):
            raise  # the user named games that cannot be played: that is no lost game
        except Exception as err:  # noqa: BLE001  # recorded and counted; other episodes go on
            ended = Ended(kind="failed", reason=f"{type(err).__name__}: {err}")
        return self._trajectory(ended)

    async def _play(self) -> Ended:
        player, spec = self._player, self._spec
        env = player.make_env(spec.task)
        self._observation = env.reset(spec.task)
        self._instruction = env.instruction
        if player.skills is not None:
            self._block, self._exposure = player.skills(spec.task, spec.seed)
        invalid = 0
        for number in range(player.settings.max_steps):
            step = await self._step(env, number)
            if self._last is not None and self._last.terminated:
                return Ended(kind="terminated", reason="the environment ended the episode")
            invalid = 0 if step.valid else invalid + 1
            if invalid == player.settings.max_invalid:
                return Ended(kind="truncated", reason=f"{invalid} invalid replies in a row")
        return Ended(kind="truncated", reason=f"{player.settings.max_steps} steps")

    async def _step(self, env: Env, number: int) -> Step:
        player, before = self._player, self._observation
        view = EpisodeView(
            instruction=self._instruction,
            skills=self._block,
            history=tuple(self._turns),
            observation=before.text,
            admissible=before.admissible,
        )
        messages = player.prompt.build(view)
        reply = await player.respond(view, self._request(messages, number))
        parsed = player.prompt.parse(reply.text, before.admissible)
        action = parsed.action if reply.executed is None else reply.executed
        result = env.step(action)
        self._last, self._observation = result, result.observation
        self._reward += result.reward
        self._turns.append(Turn(before.text, action))
        step = Step(
            observation=before.text,
            admissible=before.admissible,
            messages=messages,
            reply=reply.text,
            action=action,
            valid=parsed.valid,
            reward=result.reward,
            completion=reply.completion,
        )
        self._steps.append(step)
        return step

    def _request(self, messages: tuple[Message, ...], number: int) -> Request:
        settings, spec = self._player.settings, self._spec
        return Request(
            messages=messages,
            episode_id=spec.id,
            step=number,
            seed=request_seed(spec.seed, number),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
        )

    def _trajectory(self, ended: Ended) -> Trajectory:
        player, spec, last = self._player, self._spec, self._last
        completions = [step.completion for step in self._steps if step.completion is not None]
        return Trajectory(
            run_id=player.run_id,
            task=spec.task,
            instruction=self._instruction,
            seed=spec.seed,
            group_id=spec.group_id,
            replica=spec.replica,
            policy_version=player.policy_version,
            bank_revision=self._exposure.bank_revision if self._exposure else None,
            context="window",
            skills=self._block,
            exposure=self._exposure,
            steps=tuple(self._steps),
            final_observation=self._observation.text,
            outcome=Outcome(
                success=last is not None and last.success and ended.kind != "failed",
                reward=self._reward,
                metrics=last.metrics if last is not None else {},
            ),
            ended=ended,
            prompt_tokens=sum(len(done.prompt_ids or ()) for done in completions),
            completion_tokens=sum(len(done.completion_ids or ()) for done in completions),
        )
