"""Episodes over a real HTTP server that hangs, refuses, hangs up and halves its answers."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
from benchmarks.unreliable_server import NO_TROUBLE, HttpPolicy, Trouble, UnreliableServer

from skillrl_envs.alfworld import AlfworldEnv, generated_tasks
from skillrl_envs.counts import RolloutCounts
from skillrl_envs.jsonl import JsonlWriter, read_jsonl
from skillrl_envs.patience import Patience
from skillrl_envs.prompt import WindowPrompt
from skillrl_envs.responder import policy_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings, rollout
from skillrl_envs.trajectory import Trajectory

EPISODES = 60
TROUBLE = Trouble(hang=0.03, refuse=0.1, hang_up=0.06, halve=0.06, doomed=0.1)


@dataclass(frozen=True)
class Played:
    episodes: dict[str, Trajectory]
    counts: RolloutCounts
    server: UnreliableServer
    path: Path


def play(trouble: Trouble, folder: Path, *, timeout: float) -> Played:
    played = Played({}, RolloutCounts(), UnreliableServer(trouble, seed=1), folder / "t.jsonl")
    specs = [
        EpisodeSpec(task=task, group_id=f"g{i}", replica=0, seed=i)
        for i, task in enumerate(generated_tasks("check", EPISODES))
    ]

    async def collect() -> None:
        async with played.server as server:
            player = Player(
                run_id="r",
                make_env=lambda task: AlfworldEnv(),
                prompt=WindowPrompt("an agent"),
                respond=policy_responder(
                    HttpPolicy(server.port),
                    streaming=True,
                    patience=Patience(timeout=timeout, attempts=5, backoff=0.01),
                ),
                policy_version="server",
                settings=RolloutSettings(max_steps=6, concurrency=EPISODES),
            )
            with JsonlWriter(played.path) as writer:
                async for episode in rollout(
                    player, specs, write=writer.write, counts=played.counts
                ):
                    played.episodes[episode.id] = episode

    asyncio.run(collect())
    return played


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Episodes of a server in trouble."""
    return play(TROUBLE, tmp_path_factory.mktemp("troubled"), timeout=1.0)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The same episodes of the same server without trouble."""
    return play(NO_TROUBLE, tmp_path_factory.mktemp("calm"), timeout=60.0)


def test_every_episode_is_accounted_for(troubled: Played) -> None:
    assert set(troubled.episodes) == {f"g{i}/0" for i in range(EPISODES)}
    assert troubled.counts.ended == EPISODES
    assert troubled.counts.cancelled == 0
    written = {episode.id: episode for episode in read_jsonl(Trajectory, troubled.path)}
    assert written == troubled.episodes


def test_every_attempt_is_accounted_for(troubled: Played) -> None:
    counts, server = troubled.counts, troubled.server
    assert set(server.fates) == {"answered", "hung", "refused", "hung up", "halved"}
    # Each was used, or refused at no cost, or lost; of the lost, nobody knows the tokens.
    attempts = counts.steps + server.fates["refused"] + counts.lost_attempts
    assert sum(server.fates.values()) == attempts
    assert counts.wasted_tokens == 0
    assert 0 < counts.completion_tokens < server.generated


def test_what_breaks_says_why_and_keeps_what_it_had(troubled: Played) -> None:
    failed = [e for e in troubled.episodes.values() if e.ended.kind == "failed"]
    assert len(failed) == troubled.counts.failed > 0
    for episode in failed:
        assert episode.ended.reason.startswith("5 attempts, the last: ")
        assert not episode.outcome.success
    assert any(episode.steps for episode in failed)


def test_trouble_changes_no_episode_that_survives_it(troubled: Played, calm: Played) -> None:
    assert calm.counts.failed == calm.counts.lost_attempts == 0
    for name, episode in troubled.episodes.items():
        steps = calm.episodes[name].steps
        if episode.ended.kind == "failed":
            steps = steps[: len(episode.steps)]
        assert episode.steps == steps


def test_a_reply_cut_short_is_an_invalid_action_and_no_failure(calm: Played) -> None:
    cut = [
        step
        for episode in calm.episodes.values()
        for step in episode.steps
        if step.completion is not None and step.completion.finish_reason == "length"
    ]
    assert cut
    assert all("no_action_tags" in step.faults and not step.valid for step in cut)
    assert calm.counts.faults["no_action_tags"] == len(cut)
    assert calm.counts.completion_tokens == calm.server.generated
