"""One episode from reset to trajectory: the unit of work of a rollout."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from skillrl_envs.counts import RolloutCounts
from skillrl_envs.env import Env, Observation, StepResult
from skillrl_envs.errors import GameFileError, PolicyFailure, UnknownTaskError
from skillrl_envs.exposure import Exposure, SkillSource
from skillrl_envs.policy import Message, Request
from skillrl_envs.prompt import EpisodeView, PromptFormat, Turn
from skillrl_envs.responder import Reply, Responder
from skillrl_envs.rewards import RewardName, reward_scheme
from skillrl_envs.seeds import request_seed
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
    reward: RewardName = "env"
    """What steps are worth: "env" as the environment says, "paper" 10 and "success" 1 for
    solving the task."""

    def __post_init__(self) -> None:
        for name in ("max_steps", "max_tokens", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_invalid is not None and self.max_invalid < 1:
            raise ValueError(f"max_invalid must be at least 1 or None, got {self.max_invalid}")
        if self.temperature < 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")
        reward_scheme(self.reward)


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


class Episode:
    """One episode in progress."""

    def __init__(self, player: Player, spec: EpisodeSpec, counts: RolloutCounts) -> None:
        self._player, self._spec, self._counts = player, spec, counts
        self._worth = reward_scheme(player.settings.reward)
        self._instruction = ""
        self._block: str = ""
        self._exposure: Exposure | None = None
        self._steps: list[Step] = []
        self._turns: list[Turn] = []
        self._observation = Observation("", ())
        self._last: StepResult | None = None
        self._reward = 0.0
        self._wasted = self._lost = 0

    async def play(self) -> Trajectory:
        """Play to the end; whatever breaks ends this episode as failed, with the reason."""
        try:
            ended = await self._play()
        except asyncio.CancelledError:
            self._counts.add_cancelled(
                self._steps, wasted_tokens=self._wasted, lost_attempts=self._lost + 1
            )
            raise
        except (GameFileError, UnknownTaskError):
            raise  # the user named games that cannot be played: that is no lost game
        except PolicyFailure as err:
            self._wasted += err.wasted_tokens
            self._lost += err.lost_attempts
            ended = Ended(kind="failed", reason=str(err))
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
            step, result = await self._step(env, number)
            if result.terminated:
                return Ended(kind="terminated", reason="the environment ended the episode")
            if result.truncated:
                return Ended(kind="truncated", reason="the environment's own limit")
            invalid = 0 if step.valid else invalid + 1
            if invalid == player.settings.max_invalid:
                return Ended(kind="truncated", reason=f"{invalid} invalid replies in a row")
        return Ended(kind="truncated", reason=f"{player.settings.max_steps} steps")

    async def _step(self, env: Env, number: int) -> tuple[Step, StepResult]:
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
        self._wasted += reply.wasted_tokens
        self._lost += reply.lost_attempts
        step, result = self._act(env, messages, reply)
        self._steps.append(step)
        self._turns.append(Turn(before.text, step.action, reply.text, before.admissible))
        self._last, self._observation = result, result.observation
        self._reward += step.reward
        return step, result

    def _act(
        self, env: Env, messages: tuple[Message, ...], reply: Reply
    ) -> tuple[Step, StepResult]:
        before = self._observation
        try:
            parsed = self._player.prompt.parse(reply.text, before.admissible)
            action = parsed.action if reply.executed is None else reply.executed
            result = env.step(action)
        except Exception:
            if reply.completion is not None:
                self._wasted += reply.completion.tokens_written
            raise
        step = Step(
            observation=before.text,
            admissible=before.admissible,
            messages=messages,
            reply=reply.text,
            action=action,
            valid=parsed.valid,
            reward=self._worth(result),
            completion=reply.completion,
            faults=parsed.faults,
        )
        return step, result

    def _request(self, messages: tuple[Message, ...], number: int) -> Request:
        settings, spec = self._player.settings, self._spec
        return Request(
            messages=messages,
            token_prefix=self._token_prefix(messages),
            episode_id=spec.id,
            step=number,
            seed=request_seed(spec.seed, number),
            max_tokens=settings.max_tokens,
            temperature=settings.temperature,
        )

    def _token_prefix(self, messages: tuple[Message, ...]) -> tuple[int, ...] | None:
        """Return the tokens up to now if these messages go on where the last reply ended."""
        last = self._steps[-1] if self._steps else None
        done = last.completion if last is not None else None
        if last is None or done is None or done.prompt_ids is None or done.completion_ids is None:
            return None
        said = (*last.messages, Message("assistant", last.reply))
        if messages[: len(said)] != said:
            return None
        return done.prompt_ids + done.completion_ids

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
            context=player.prompt.context,
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
            prompt_tokens=sum(done.tokens_read for done in completions),
            completion_tokens=sum(done.tokens_written for done in completions),
            wasted_tokens=self._wasted,
            lost_attempts=self._lost,
            reward_scheme=player.settings.reward,
        )
