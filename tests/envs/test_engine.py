"""The rollout engine when things are cancelled, break or end: what is kept, what is counted."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import pytest

from skillrl_envs.alfworld import AlfworldEnv, CompactPrompt, SearchExpert, generated_tasks
from skillrl_envs.counts import RolloutCounts
from skillrl_envs.env import Env, Observation, StepLimit, StepResult
from skillrl_envs.jsonl import read_jsonl
from skillrl_envs.patience import Patience
from skillrl_envs.policy import Completion, Policy, Request
from skillrl_envs.responder import Responder, policy_responder, script_responder
from skillrl_envs.rewards import RewardName
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings, rollout
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Trajectory

PROMPT = CompactPrompt()


class Looker:
    """Looks around, with 5 tokens a reply; episodes named `stuck` never get an answer."""

    def __init__(self, *stuck: str) -> None:
        self.stuck = set(stuck)
        self.asked: list[tuple[str, int]] = []

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        self.asked += [(r.episode_id, r.step) for r in requests]
        if any(r.episode_id in self.stuck for r in requests):
            await asyncio.Event().wait()
        return [
            Completion(
                text="look",
                prompt_tokens=11,
                completion_tokens=5,
                finish_reason="stop",
                policy_version="v",
            )
            for _ in requests
        ]


def specs(number: int) -> list[EpisodeSpec]:
    return [
        EpisodeSpec(task=task, group_id=f"g{i}", replica=0, seed=i)
        for i, task in enumerate(generated_tasks("check", number))
    ]


def player(respond: Responder, env: Env | None = None, **settings: int | str) -> Player:
    return Player(
        run_id="r",
        make_env=lambda task: env or AlfworldEnv(),
        prompt=PROMPT,
        respond=respond,
        policy_version="v",
        settings=RolloutSettings(**settings),  # type: ignore[arg-type]  # whichever they are
    )


def streamed(policy: Policy) -> Responder:
    return policy_responder(policy, streaming=True, patience=Patience(timeout=None))


async def every(playing: Player, wanted: Sequence[EpisodeSpec]) -> list[Trajectory]:
    return [episode async for episode in rollout(playing, wanted)]


def test_a_cancelled_rollout_has_written_every_episode_that_ended() -> None:
    policy, written, counts = Looker("g0/0"), list[Trajectory](), RolloutCounts()

    async def scenario() -> None:
        seen = 0

        async def consume() -> None:
            nonlocal seen
            playing = player(streamed(policy), max_steps=3)
            async for _ in rollout(playing, specs(5), write=written.append, counts=counts):
                seen += 1
                await asyncio.Event().wait()  # a consumer that is busy with the first

        consumer = asyncio.create_task(consume())
        while len(written) < 4 or not seen:
            await asyncio.sleep(0)
        consumer.cancel()
        await asyncio.gather(consumer, return_exceptions=True)
        assert seen == 1

    asyncio.run(scenario())
    assert sorted(episode.id for episode in written) == [f"g{i}/0" for i in range(1, 5)]
    assert (counts.ended, counts.truncated, counts.cancelled) == (4, 4, 1)
    assert (counts.completion_tokens, counts.lost_attempts) == (4 * 3 * 5, 1)


def test_what_a_cancelled_episode_generated_was_in_vain() -> None:
    class Stopping(Looker):
        async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
            if requests[0].step == 2:
                await asyncio.Event().wait()
            return await super().generate(requests)

    policy, counts = Stopping(), RolloutCounts()

    async def scenario() -> None:
        playing = player(streamed(policy), max_steps=9)
        async with aclosing(rollout(playing, specs(2), counts=counts)) as episodes:
            waiting = asyncio.ensure_future(anext(episodes))
            while len(policy.asked) < 4:
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)

    asyncio.run(scenario())
    assert counts == RolloutCounts(cancelled=2, wasted_tokens=2 * 2 * 5, lost_attempts=2)


SCRIPT = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from skillrl_envs.jsonl import JsonlWriter
from skillrl_envs.rollout import rollout
from tests.envs.test_engine import Looker, player, specs, streamed

async def main():
    with JsonlWriter(Path({path!r})) as writer:
        playing = player(streamed(Looker("g2/0", "g4/0")), max_steps=3)
        async for episode in rollout(playing, specs(6), write=writer.write):
            pass

asyncio.run(main())
"""


def test_ctrl_c_leaves_what_ended_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.jsonl"
    root = Path(__file__).resolve().parents[2]
    script = SCRIPT.format(root=str(root), path=str(path))
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (path.exists() and path.read_text().count("\n") == 4):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode != 0
    assert complaint.strip().endswith("KeyboardInterrupt")
    ended = sorted(episode.id for episode in read_jsonl(Trajectory, path))
    assert ended == ["g0/0", "g1/0", "g3/0", "g5/0"]


def test_an_episode_that_cannot_be_written_ends_the_rollout() -> None:
    def full(episode: Trajectory) -> None:
        raise OSError(28, "no space left on device")

    async def scenario() -> None:
        async for _ in rollout(player(streamed(Looker()), max_steps=1), specs(3), write=full):
            pass

    with pytest.raises(OSError, match="no space left"):
        asyncio.run(scenario())


class Fragile(AlfworldEnv):
    """Breaks at its third step."""

    taken = 0

    def step(self, action: str, /) -> StepResult:
        self.taken += 1
        if self.taken == 3:
            raise RuntimeError("the floor gave way")
        return super().step(action)


def test_an_environment_that_breaks_wastes_one_reply_and_is_data() -> None:
    (episode,) = asyncio.run(every(player(streamed(Looker()), Fragile()), specs(1)))
    assert (episode.ended.kind, episode.ended.reason) == (
        "failed",
        "RuntimeError: the floor gave way",
    )
    assert (len(episode.steps), episode.prompt_tokens) == (2, 22)
    assert (episode.completion_tokens, episode.wasted_tokens) == (10, 5)


def test_an_environments_own_limit_ends_the_episode() -> None:
    playing = player(streamed(Looker()), StepLimit(AlfworldEnv(), 2))
    (episode,) = asyncio.run(every(playing, specs(1)))
    assert (episode.ended.kind, episode.ended.reason) == (
        "truncated",
        "the environment's own limit",
    )
    assert len(episode.steps) == 2


@pytest.mark.parametrize(("name", "won"), [("env", 10.0), ("paper", 10.0), ("success", 1.0)])
def test_rewards_go_by_the_scheme_and_say_which(name: RewardName, won: float) -> None:
    expert = script_responder(SearchExpert(), PROMPT)
    (episode,) = asyncio.run(every(player(expert, reward=name), specs(1)))
    assert episode.outcome.success
    assert episode.outcome.reward == won
    assert [step.reward for step in episode.steps] == [0.0] * (len(episode.steps) - 1) + [won]
    assert episode.reward_scheme == name


def test_an_unknown_reward_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no reward scheme 'gold'; there are env, paper, success"):
        RolloutSettings(reward="gold")  # type: ignore[arg-type]  # that is the point


def test_two_episodes_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"2 episodes are called 'g0/0'"):
        asyncio.run(every(player(streamed(Looker())), [*specs(1), *specs(1)]))


def test_replicas_that_would_sample_the_same_are_refused() -> None:
    twins = [*specs(1), replace(specs(1)[0], replica=1)]
    with pytest.raises(ValueError, match="2 replicas of group 'g0' have the seed 0"):
        asyncio.run(every(player(streamed(Looker())), twins))
    greedy = player(streamed(Looker()), max_steps=1, temperature=0)
    assert len(asyncio.run(every(greedy, twins))) == 2


def test_nothing_is_asked_for_an_episode_that_has_ended() -> None:
    policy, ended = Looker(), set[str]()
    late: list[str] = []

    class Watched(Looker):
        async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
            late.extend(r.episode_id for r in requests if r.episode_id in ended)
            return await policy.generate(requests)

    class Lengthy(AlfworldEnv):
        """Ends after as many steps as its task's number says."""

        left = 0

        def reset(self, task: Task, /) -> Observation:
            self.left = int(task.id.rpartition("/")[2]) + 1
            return super().reset(task)

        def step(self, action: str, /) -> StepResult:
            self.left -= 1
            return replace(super().step(action), terminated=self.left == 0)

    async def scenario() -> None:
        playing = replace(player(policy_responder(Watched())), make_env=lambda task: Lengthy())
        counts = RolloutCounts()
        note = lambda episode: ended.add(episode.id)  # noqa: E731
        async for _ in rollout(playing, specs(24), write=note, counts=counts):
            pass
        assert counts.terminated == 24

    asyncio.run(scenario())
    assert late == []
    # Six task types, four games each: of 1, 2, 3 and 4 steps.
    assert len(policy.asked) == 6 * (1 + 2 + 3 + 4)
