import asyncio
from collections.abc import Sequence

import pytest

from skillrl_envs.agent import Decision, NoisyAgent
from skillrl_envs.alfworld import AlfworldEnv, CompactPrompt, SearchExpert, generated_tasks
from skillrl_envs.errors import UnknownTaskError
from skillrl_envs.exposure import Exposure
from skillrl_envs.policy import Completion, Request
from skillrl_envs.prompt import EpisodeView, Turn
from skillrl_envs.responder import Responder, policy_responder, script_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings, request_seed, rollout
from skillrl_envs.task import Task
from skillrl_envs.trajectory import Trajectory

PROMPT = CompactPrompt()


class ParrotPolicy:
    """Answers every request alike, and remembers what it was asked."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.batches: list[list[Request]] = []

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        self.batches.append(list(requests))
        return [
            Completion(
                text=self.text,
                prompt_ids=(1, 2, 3),
                completion_ids=(4,),
                logprobs=(-0.1,),
                finish_reason="stop",
                policy_version="parrot",
            )
            for _ in requests
        ]


def play(
    respond: Responder, tasks: Sequence[Task], settings: RolloutSettings | None = None
) -> dict[str, Trajectory]:
    player = Player(
        run_id="r",
        make_env=lambda task: AlfworldEnv(),
        prompt=PROMPT,
        respond=respond,
        policy_version="p",
        settings=settings or RolloutSettings(),
    )
    specs = [
        EpisodeSpec(task=task, group_id=f"g{i}", replica=0, seed=i) for i, task in enumerate(tasks)
    ]

    async def collect() -> dict[str, Trajectory]:
        return {episode.id: episode async for episode in rollout(player, specs)}

    return asyncio.run(collect())


def test_the_expert_wins_every_generated_game() -> None:
    episodes = play(script_responder(SearchExpert(), PROMPT), generated_tasks("check", 120))
    assert len(episodes) == 120
    lost = [e.task.id for e in episodes.values() if not e.outcome.success]
    assert lost == []
    assert all(e.outcome.reward == 10.0 for e in episodes.values())
    assert {e.ended.kind for e in episodes.values()} == {"terminated"}


def test_the_expert_plays_the_same_from_the_transcript_alone() -> None:
    # Nothing but what was seen may enter a decision: replaying the recorded views gives
    # the recorded actions.
    task = generated_tasks("check", 6)[5]
    episode = play(script_responder(SearchExpert(), PROMPT), [task])["g0/0"]
    turns: tuple[Turn, ...] = ()
    for step in episode.steps:
        view = EpisodeView(
            instruction=episode.instruction,
            skills="",
            history=turns,
            observation=step.observation,
            admissible=step.admissible,
        )
        assert SearchExpert().decide(view).action == step.action
        turns = (*turns, Turn(step.observation, step.action))


def test_episodes_that_run_together_are_asked_together() -> None:
    policy = ParrotPolicy("look")
    episodes = play(
        policy_responder(policy), generated_tasks("check", 7), RolloutSettings(max_steps=4)
    )
    assert [len(batch) for batch in policy.batches] == [7, 7, 7, 7]
    assert all(len(e.steps) == 4 for e in episodes.values())
    assert all(e.ended.reason == "4 steps" for e in episodes.values())
    assert all(e.prompt_tokens == 12 for e in episodes.values())
    assert all(e.completion_tokens == 4 for e in episodes.values())


def test_a_finished_episode_costs_nothing_more() -> None:
    policy = ParrotPolicy("nonsense")
    play(
        policy_responder(policy),
        generated_tasks("check", 3),
        RolloutSettings(max_steps=50, max_invalid=3),
    )
    assert sum(len(batch) for batch in policy.batches) == 9


def test_a_new_episode_starts_as_soon_as_a_slot_is_free() -> None:
    policy = ParrotPolicy("look")
    play(
        policy_responder(policy),
        generated_tasks("check", 5),
        RolloutSettings(max_steps=2, concurrency=2),
    )
    assert [len(batch) for batch in policy.batches] == [2, 2, 2, 2, 1, 1]


def test_requests_have_seeds_of_their_own() -> None:
    policy = ParrotPolicy("look")
    play(policy_responder(policy), generated_tasks("check", 4), RolloutSettings(max_steps=5))
    seeds = [request.seed for batch in policy.batches for request in batch]
    assert len(set(seeds)) == 20
    assert request_seed(0, 1) != request_seed(1, 0)


def test_a_broken_episode_is_recorded_and_the_others_go_on() -> None:
    class Stumbling(SearchExpert):
        def decide(self, view: EpisodeView, /) -> Decision:
            if "mug" in view.instruction and view.history:
                raise RuntimeError("tripped over the mug")
            return super().decide(view)

    tasks = generated_tasks("check", 60)
    episodes = play(script_responder(Stumbling(), PROMPT), tasks).values()
    broken = [episode for episode in episodes if "mug" in episode.instruction]
    assert broken
    assert {e.ended.reason for e in broken} == {"RuntimeError: tripped over the mug"}
    assert {(e.ended.kind, e.outcome.success, len(e.steps)) for e in broken} == {
        ("failed", False, 1)
    }
    assert all(e.outcome.success for e in episodes if "mug" not in e.instruction)


def test_games_that_cannot_be_played_are_an_error_and_no_lost_game() -> None:
    good = generated_tasks("check", 1)
    bad = Task(id="bad", env="alfworld", category="c", split="s", payload={"official": "no/such"})
    with pytest.raises(UnknownTaskError, match="ALFWORLD_DATA"):
        play(script_responder(SearchExpert(), PROMPT), [*good, bad])


def test_a_policy_that_breaks_fails_its_batch_with_the_reason() -> None:
    class Broken:
        async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
            raise RuntimeError("out of memory")

    class Short:
        async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
            return []

    for policy, reason in (
        (Broken(), "RuntimeError: out of memory"),
        (Short(), "PolicyError: 2 requests got 0 completions"),
    ):
        episodes = play(policy_responder(policy), generated_tasks("check", 2))
        assert {e.ended.reason for e in episodes.values()} == {reason}


def test_skills_stand_in_the_first_prompt_and_in_the_exposure() -> None:
    policy = ParrotPolicy("look")
    exposure = Exposure(skills=(), bank_id="b", bank_revision=4)
    player = Player(
        run_id="r",
        make_env=lambda task: AlfworldEnv(),
        prompt=PROMPT,
        respond=policy_responder(policy),
        policy_version="p",
        skills=lambda task, seed: (f"be quick with {task.category}", exposure),
        settings=RolloutSettings(max_steps=1),
    )
    spec = EpisodeSpec(task=generated_tasks("check", 1)[0], group_id="g", replica=0, seed=0)

    async def one() -> Trajectory:
        return await anext(rollout(player, [spec]))

    episode = asyncio.run(one())
    assert "be quick with pick_and_place_simple" in policy.batches[0][0].messages[0].content
    assert episode.exposure == exposure
    assert episode.bank_revision == 4


def test_noise_replaces_actions_but_never_labels() -> None:
    noisy = NoisyAgent(SearchExpert(), rate=0.5, seed=1)
    episode = play(script_responder(noisy, PROMPT), generated_tasks("check", 1))["g0/0"]
    slips = [step for step in episode.steps if step.action != step.reply]
    assert slips
    assert all(step.action in step.admissible for step in slips)
    assert all(step.valid for step in episode.steps)
    again = play(script_responder(noisy, PROMPT), generated_tasks("check", 1))["g0/0"]
    assert again == episode


def test_the_noise_rate_is_checked() -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\], got 2"):
        NoisyAgent(SearchExpert(), rate=2.0, seed=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_steps", 0), ("max_tokens", 0), ("concurrency", 0), ("max_invalid", 0)],
)
def test_settings_out_of_range_are_named(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{field} must be at least 1.*got {value}"):
        RolloutSettings(**{field: value})  # type: ignore[arg-type]  # whichever field it is


def test_a_view_that_makes_no_sense_gets_a_harmless_action() -> None:
    view = EpisodeView(
        instruction="sing a song",
        skills="",
        history=(),
        observation="You are in a void.",
        admissible=("look",),
    )
    assert SearchExpert().decide(view) == Decision(
        "I do not understand the task, so I look around.", "look"
    )
