"""What the rollout engine wastes, survives and costs.

    uv run python -m benchmarks.rollout_engine [waste] [faults] [overhead]

waste: one recorded set of episodes played again by the engine and by the lockstep loop that
agent trainers commonly use (every slot is asked until the slowest has ended), with the same
replies; tokens are words. faults: 1,000 episodes at a time over a local HTTP server that
hangs, refuses, hangs up and halves its answers. overhead: CPU time of everything but
generation, beside a tiny transformers model's generation.
"""

import asyncio
import resource
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from benchmarks.unreliable_server import HttpPolicy, Trouble, UnreliableServer

from skillrl_envs.agent import NoisyAgent
from skillrl_envs.alfworld import AlfworldEnv, CompactPrompt, SearchExpert, generated_tasks
from skillrl_envs.counts import RolloutCounts
from skillrl_envs.env import Env
from skillrl_envs.env_batch import EnvBatch
from skillrl_envs.patience import Patience
from skillrl_envs.policy import Completion, Message, Policy, Request
from skillrl_envs.prompt import EpisodeView, PromptFormat, Turn, WindowPrompt
from skillrl_envs.responder import Responder, policy_responder, script_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings, rollout
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Trajectory

T = TypeVar("T")
SEED = 0
TASKS, REPLICAS, HORIZON = 16, 8, 50
WINDOW = WindowPrompt("an expert agent in a household")


def specs(tasks: int, replicas: int) -> list[EpisodeSpec]:
    return [
        EpisodeSpec(task=task, group_id=f"g{number}", replica=replica, seed=number * 997 + replica)
        for number, task in enumerate(generated_tasks("bench", tasks))
        for replica in range(replicas)
    ]


def player(
    respond: Responder, prompt: PromptFormat, settings: RolloutSettings, version: str = "bench"
) -> Player:
    return Player(
        run_id="bench",
        make_env=lambda task: AlfworldEnv(),
        prompt=prompt,
        respond=respond,
        policy_version=version,
        settings=settings,
    )


async def play(
    playing: Player, wanted: Sequence[EpisodeSpec], counts: RolloutCounts | None = None
) -> list[Trajectory]:
    return [episode async for episode in rollout(playing, wanted, counts=counts)]


# --- waste ---------------------------------------------------------------------------


@dataclass
class Recorded:
    """A policy that replies as recorded, and again with its last reply when asked further."""

    replies: dict[str, list[str]]
    ended: set[str] = field(default_factory=set)
    tokens: Counter[str] = field(default_factory=Counter)

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Completion:
        replies = self.replies[request.episode_id]
        text = replies[min(request.step, len(replies) - 1)]
        read = sum(len(message.content.split()) for message in request.messages)
        written = len(text.split())
        whose = "finished" if request.episode_id in self.ended else "playing"
        self.tokens.update({f"{whose}, read": read, f"{whose}, written": written})
        return Completion(
            text=text,
            prompt_tokens=read,
            completion_tokens=written,
            finish_reason="stop",
            policy_version="recorded",
        )


class Lockstep:
    """The loop of the common trainers: one batch, asked as a whole until all have ended."""

    def __init__(self, policy: Recorded, wanted: Sequence[EpisodeSpec]) -> None:
        self.policy, self.specs = policy, wanted
        self.batch = EnvBatch(lambda task: AlfworldEnv(), max_steps=HORIZON)
        seen = self.batch.reset([spec.task for spec in wanted])
        self.views = [
            EpisodeView(
                instruction=instruction,
                skills="",
                history=(),
                observation=one.text,
                admissible=one.admissible,
            )
            for one, instruction in zip(seen, self.batch.instructions, strict=True)
        ]

    async def play(self) -> None:
        step = 0
        while self.batch.playing:
            done = await self.policy.generate(
                [
                    request(spec, step, WINDOW.build(view))
                    for spec, view in zip(self.specs, self.views, strict=True)
                ]
            )
            self._act([one.text for one in done])
            step += 1

    def _act(self, replies: list[str]) -> None:
        actions = [
            WINDOW.parse(reply, view.admissible).action
            for reply, view in zip(replies, self.views, strict=True)
        ]
        results = self.batch.step(actions)
        for slot, (result, action) in enumerate(zip(results, actions, strict=True)):
            if result is None:
                continue
            view = self.views[slot]
            self.views[slot] = replace(
                view,
                history=(*view.history, Turn(view.observation, action)),
                observation=result.observation.text,
                admissible=result.observation.admissible,
            )
            if result.over:
                self.policy.ended.add(self.specs[slot].id)


def request(spec: EpisodeSpec, step: int, messages: tuple[Message, ...]) -> Request:
    return Request(
        messages=messages,
        episode_id=spec.id,
        step=step,
        seed=step,
        max_tokens=512,
        temperature=1.0,
    )


def measure_waste() -> None:
    wanted = specs(TASKS, REPLICAS)
    settings = RolloutSettings(max_steps=HORIZON)
    # Each replica's hand slips in its own way, as samples of a policy would differ.
    replies: dict[str, list[str]] = {}
    lengths = []
    for replica in range(REPLICAS):
        agent = NoisyAgent(SearchExpert(), rate=0.3, seed=replica)
        recording = player(script_responder(agent, WINDOW), WINDOW, settings)
        for episode in asyncio.run(play(recording, wanted[replica::REPLICAS])):
            replies[episode.id] = [
                WINDOW.compose("I go on.", step.action) for step in episode.steps
            ]
            lengths.append(len(episode.steps))
    quartiles = statistics.quantiles(lengths, n=4)
    print(
        f"waste: {len(wanted)} episodes of {min(lengths)} to {max(lengths)} steps, quartiles "
        + " ".join(f"{one:.0f}" for one in quartiles)
    )
    engine = Recorded(replies)
    ended = engine.ended

    async def run_engine() -> None:
        playing = player(policy_responder(engine), WINDOW, settings)
        async for _ in rollout(playing, wanted, write=lambda episode: ended.add(episode.id)):
            pass

    lockstep = Recorded(replies)
    asyncio.run(run_engine())
    asyncio.run(Lockstep(lockstep, wanted).play())
    for name, policy in (("engine", engine), ("lockstep loop", lockstep)):
        for what in ("written", "read"):
            idle, used = policy.tokens[f"finished, {what}"], policy.tokens[f"playing, {what}"]
            print(
                f"  {name:14} {what:8} {used:8} tokens for episodes in play, "
                f"{idle:8} for finished ones ({100 * idle / (idle + used):.1f} % of all)"
            )
    for what in ("written", "read"):
        assert engine.tokens[f"playing, {what}"] == lockstep.tokens[f"playing, {what}"]


# --- faults --------------------------------------------------------------------------


def measure_faults(episodes: int = 1000) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 4 * episodes:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4 * episodes), hard))
    server, counts = UnreliableServer(Trouble(), seed=SEED), RolloutCounts()
    wanted = specs(episodes, 1)
    start = time.monotonic()

    async def run() -> list[Trajectory]:
        async with server:
            patience = Patience(timeout=20.0, attempts=4, backoff=0.2)
            respond = policy_responder(HttpPolicy(server.port), streaming=True, patience=patience)
            settings = RolloutSettings(max_steps=20, concurrency=episodes)
            return await play(player(respond, WINDOW, settings), wanted, counts)

    played = asyncio.run(run())
    seconds = time.monotonic() - start
    attempts = sum(server.fates.values())
    accounted = counts.steps + server.fates["refused"] + counts.lost_attempts
    print(
        f"faults: {episodes} episodes over HTTP in {seconds:.0f} s, at most {server.busiest} open"
    )
    print(f"  attempts: {attempts}, {dict(server.fates)}")
    print(
        f"  attempts used {counts.steps}, refused {server.fates['refused']}, "
        f"lost {counts.lost_attempts}; unaccounted {attempts - accounted}"
    )
    print(
        f"  episodes: terminated {counts.terminated}, truncated {counts.truncated}, failed "
        f"{counts.failed}; unaccounted {len({s.id for s in wanted} - {e.id for e in played})}"
    )
    reasons = Counter(e.ended.reason.partition(":")[2].strip() for e in played
                      if e.ended.kind == "failed")  # fmt: skip
    print(f"  failed because of: {dict(reasons)}")
    print(
        f"  tokens written: {server.generated} by the server, {counts.completion_tokens} used, "
        f"{counts.wasted_tokens} known to be wasted, the rest in lost attempts"
    )


# --- overhead ------------------------------------------------------------------------


class Timed:
    """Another policy, with the CPU time that it took."""

    def __init__(self, inner: Policy) -> None:
        self.inner, self.cpu, self.batches = inner, 0.0, 0

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        start = time.process_time()
        done = await self.inner.generate(requests)
        self.cpu += time.process_time() - start
        self.batches += 1
        return done


@dataclass
class Meter:
    """CPU seconds by what they were spent on."""

    spent: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def timed(self, what: str, work: Callable[..., T]) -> Callable[..., T]:
        def run(*arguments: object) -> T:
            start = time.process_time()
            result = work(*arguments)
            self.spent[what] += time.process_time() - start
            return result

        return run


def metered(meter: Meter, playing: Player) -> Player:
    """Return a player whose prompts and environments are on the meter."""

    def make_env(task: Task) -> Env:
        env = AlfworldEnv()
        env.step = meter.timed("environment", env.step)  # type: ignore[method-assign]
        env.reset = meter.timed("environment", env.reset)  # type: ignore[method-assign]
        return env

    prompt = playing.prompt
    for name in ("build", "parse"):
        setattr(prompt, name, meter.timed("prompt", getattr(prompt, name)))
    return replace(playing, make_env=make_env)


def tiny_policy(steps: int) -> Policy:
    """Return the tiny model of the quickstart after that many steps of imitation."""
    from skillrl_train.sft import SftSettings, demonstrations, train_sft
    from skillrl_train.tiny import TinyModelSettings, build_model, build_tokenizer
    from skillrl_train.transformers_policy import TransformersPolicy

    prompt = CompactPrompt()
    expert = player(script_responder(SearchExpert(), prompt), prompt, RolloutSettings())
    examples = demonstrations(asyncio.run(play(expert, specs(240, 1))), prompt, None)
    texts = [message.content for example in examples for message in example.messages]
    tokenizer = build_tokenizer(texts + [example.reply for example in examples])
    model = build_model(tokenizer, TinyModelSettings(), seed=SEED)
    with TemporaryDirectory() as folder:
        settings = SftSettings(steps=steps, save_every=steps)
        train_sft(model, tokenizer, examples, settings, folder=Path(folder), seed=SEED)
    return TransformersPolicy(model, tokenizer, version="tiny")


def measure_overhead() -> None:
    import torch

    steps = 200
    policy = tiny_policy(steps)
    torch.set_num_threads(1)  # so that CPU time and wall time can be compared at all
    # The quickstart's RL settings.
    settings = RolloutSettings(max_steps=24, max_invalid=3, max_tokens=8, temperature=0.7)
    seconds: dict[str, list[float]] = defaultdict(list)
    for _ in range(5):
        # Twice, since reading the clock around every part costs time of its own.
        for meter in (None, Meter()):
            timed, counts = Timed(policy), RolloutCounts()
            playing = player(policy_responder(timed), CompactPrompt(), settings)
            playing = metered(meter, playing) if meter else playing
            start = time.process_time()
            asyncio.run(play(playing, specs(TASKS, REPLICAS), counts))
            if meter:
                for what, spent in meter.spent.items():
                    seconds[what].append(spent)
            else:
                seconds["generation"].append(timed.cpu)
                seconds["all else"].append(time.process_time() - start - timed.cpu)
    cost = {what: statistics.median(times) for what, times in seconds.items()}
    cost["engine"] = cost["all else"] - cost["prompt"] - cost["environment"]
    print(
        f"overhead: tiny model after {steps} SFT steps, 1 thread: {counts.steps} steps in "
        f"{timed.batches} batches, {counts.prompt_tokens / counts.steps:.0f} tokens a prompt, "
        f"{counts.completion_tokens / counts.steps:.1f} a reply, {counts.terminated} of "
        f"{counts.ended} won; medians of 5"
    )
    for what in ("generation", "engine", "environment", "prompt", "all else"):
        print(
            f"  {what:12} {1e6 * cost[what] / counts.steps:6.0f} us CPU a step, "
            f"{100 * cost[what] / cost['generation']:5.1f} % of generation"
        )


def main() -> None:
    parts = {"waste": measure_waste, "faults": measure_faults, "overhead": measure_overhead}
    print(f"seed {SEED}")
    for name in sys.argv[1:] or parts:
        parts[name]()


if __name__ == "__main__":
    main()
