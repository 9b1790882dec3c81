"""SFT and GRPO through the real TRL trainers, on models small enough to watch."""

import asyncio
from pathlib import Path

import pytest
import torch
import trl
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from skillrl_envs.alfworld import AlfworldEnv, CompactPrompt, SearchExpert, generated_tasks
from skillrl_envs.policy import Message, Request
from skillrl_envs.responder import script_responder
from skillrl_envs.rollout import EpisodeSpec, Player, rollout
from skillrl_envs.trajectory import Trajectory
from skillrl_train.advantages import grpo_advantages
from skillrl_train.errors import NothingToLearn
from skillrl_train.grpo import AgentGRPOTrainer, GrpoSettings, batch_rows, train_grpo
from skillrl_train.rows import TrainingRow
from skillrl_train.sft import Demonstration, SftSettings, demonstrations, train_sft
from skillrl_train.trainer_state import resumable_checkpoint
from skillrl_train.transformers_policy import TransformersPolicy, encode_prompt

LESSON = [
    Demonstration((Message("user", "go to mug 1"),), "take mug 1"),
    Demonstration((Message("user", "go to mug 2"),), "take mug 2"),
]


def greedy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, text: str) -> str:
    request = Request(
        messages=(Message("user", text),), episode_id="e", step=0, seed=0, max_tokens=4,
        temperature=0.0,
    )  # fmt: skip
    policy = TransformersPolicy(model, tokenizer, version="v")
    return asyncio.run(policy.generate([request]))[0].text


def test_sft_learns_what_is_demonstrated(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    heard: list[tuple[int, int]] = []
    settings = SftSettings(steps=120, batch_size=2, learning_rate=1e-2, warmup_steps=1)
    train_sft(
        model, tokenizer, LESSON, settings, folder=tmp_path, seed=0,
        listener=lambda done, total, metrics: heard.append((done, total)),
    )  # fmt: skip
    assert greedy(model, tokenizer, "go to mug 1") == "take mug 1"
    assert greedy(model, tokenizer, "go to mug 2") == "take mug 2"
    assert heard[0] == (1, 120)
    assert heard[-1] == (120, 120)


def test_sft_goes_on_from_a_checkpoint_as_if_never_stopped(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    from skillrl_train.tiny import TinyModelSettings, build_model

    def fresh() -> LlamaForCausalLM:
        return build_model(tokenizer, TinyModelSettings(width=32, heads=2), seed=0)

    settings = SftSettings(steps=8, batch_size=1, save_every=3)
    whole, first, second = fresh(), fresh(), fresh()
    train_sft(whole, tokenizer, LESSON, settings, folder=tmp_path / "whole", seed=1)

    class PowerCut(Exception):
        pass

    def cut(done: int, total: int, metrics: object) -> None:
        if done == 5:
            raise PowerCut

    with pytest.raises(PowerCut):
        train_sft(first, tokenizer, LESSON, settings, folder=tmp_path / "cut", seed=1, listener=cut)
    # A checkpoint that was being written when the power went is not resumed from.
    unfinished = tmp_path / "cut" / "checkpoint-4"
    unfinished.mkdir()
    assert resumable_checkpoint(tmp_path / "cut") == tmp_path / "cut" / "checkpoint-3"
    assert not unfinished.exists()
    train_sft(second, tokenizer, LESSON, settings, folder=tmp_path / "cut", seed=1)
    for one, other in zip(whole.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_sft_without_examples_says_so(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    with pytest.raises(NothingToLearn, match="all collected episodes failures"):
        train_sft(model, tokenizer, [], SftSettings(), folder=tmp_path, seed=0)


def test_demonstrations_have_the_prompts_that_were_played_plus_skills() -> None:
    prompt, task = CompactPrompt(), generated_tasks("check", 1)[0]
    player = Player(
        run_id="r",
        make_env=lambda task: AlfworldEnv(),
        prompt=prompt,
        respond=script_responder(SearchExpert(), prompt),
        policy_version="e",
    )
    spec = EpisodeSpec(task=task, group_id="g", replica=0, seed=0)

    async def one() -> Trajectory:
        return await anext(rollout(player, [spec]))

    episode = asyncio.run(one())
    plain = demonstrations([episode], prompt, None)
    assert [d.messages for d in plain] == [step.messages for step in episode.steps]
    from skillrl_envs.exposure import Exposure

    nothing = Exposure(skills=(), bank_id="b", bank_revision=1)
    skilled = demonstrations([episode], prompt, lambda task, seed: ("look twice", nothing))
    assert all(d.messages[0].content.startswith("skills look twice\n") for d in skilled)


def rows_of(tokenizer: PreTrainedTokenizerFast, *replies: tuple[str, float]) -> list[TrainingRow]:
    prompt = tuple(encode_prompt(tokenizer, [Message("user", "go")]))
    rows = []
    for reply, advantage in replies:
        ids = tuple(tokenizer(reply)["input_ids"])
        rows.append(TrainingRow(prompt, ids, (-1.0,) * len(ids), advantage))
    return rows


def test_rows_become_trl_tensors_padded_by_masked_rows(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = rows_of(tokenizer, ("take", 1.0), ("take mug 1", -1.0), ("now", 0.5))
    batch = batch_rows(rows, multiple=4, pad=0, device=torch.device("cpu"))
    assert batch["completion_mask"].tolist() == [[1, 0], [1, 1], [1, 0], [0, 0]]
    assert batch["advantages"].tolist() == [1.0, -1.0, 0.5, 0.0]
    assert int(batch["num_items_in_batch"]) == 4
    empty = batch_rows([], multiple=4, pad=0, device=torch.device("cpu"))
    assert empty["completion_mask"].sum() == 0
    assert empty["prompt_mask"].sum(1).tolist() == [1, 1, 1, 1]


def grpo(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    folder: Path,
    collect: object,
    **settings: float,
) -> AgentGRPOTrainer:
    return AgentGRPOTrainer(
        model,
        tokenizer,
        GrpoSettings(**{"iterations": 3, "steps_per_iteration": 2, **settings}),  # type: ignore[arg-type]  # numbers
        collect,  # type: ignore[arg-type]  # given by the test
        folder=folder,
        seed=0,
    )


def test_trl_still_calls_the_one_method_we_override(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    # The contract with TRL 1.16: called once per iteration; every row is consumed by the
    # optimiser steps of that iteration, in order of iterations.
    assert trl.__version__.startswith("1.16.")
    asked: list[int] = []
    seen: list[int] = []

    def collect(iteration: int) -> list[TrainingRow]:
        asked.append(iteration)
        return rows_of(tokenizer, *[("take", 1.0), ("now", -1.0)] * (iteration + 1), ("go", 0.5))

    trainer = grpo(model, tokenizer, tmp_path, collect)
    inner = trainer._compute_loss

    def count(model: object, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        seen.append(int((inputs["completion_mask"].sum(1) > 0).sum()))
        loss: torch.Tensor = inner(model, inputs)
        return loss

    trainer._compute_loss = count
    train_grpo(trainer, tmp_path)
    assert asked == [0, 1, 2]
    assert [seen[0] + seen[1], seen[2] + seen[3], seen[4] + seen[5]] == [3, 5, 7]
    assert trainer.state.global_step == 6


def test_trl_scores_tokens_as_the_policy_sampled_them(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    policy = TransformersPolicy(model, tokenizer, version="v")
    requests = [
        Request(
            messages=(Message("user", text),), episode_id="e", step=0, seed=seed, max_tokens=5,
            temperature=0.7,
        )
        for seed, text in enumerate(("go", "take red mug 3 , now", "mug 2"))
    ]  # fmt: skip
    done = asyncio.run(policy.generate(requests))
    rows = [
        TrainingRow(d.prompt_ids or (), d.completion_ids or (), d.logprobs or (), 1.0) for d in done
    ]
    trainer = grpo(model, tokenizer, tmp_path, lambda i: rows)
    batch = batch_rows(rows, multiple=2, pad=0, device=torch.device("cpu"))
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    with torch.no_grad():
        logps, _, _ = trainer._get_per_token_logps_and_entropies(
            model, ids, mask, batch["completion_ids"].size(1)
        )
    on = batch["completion_mask"].bool()
    torch.testing.assert_close(logps[on], batch["old_per_token_logps"][on], rtol=1e-4, atol=1e-5)


def test_grpo_learns_a_bandit(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    # Saying "now" first pays; the policy plays with its current weights.
    policy = TransformersPolicy(model, tokenizer, version="v")
    prompt = (Message("user", "go"),)
    rates: list[float] = []

    def collect(iteration: int) -> list[TrainingRow]:
        requests = [
            Request(
                messages=prompt, episode_id="e", step=0, seed=1000 * iteration + i, max_tokens=1,
                temperature=1.0,
            )
            for i in range(64)
        ]  # fmt: skip
        done = asyncio.run(policy.generate(requests))
        rewards = [float(d.text == "now") for d in done]
        rates.append(sum(rewards) / len(rewards))
        advantages = grpo_advantages(rewards, ["one"] * len(done))
        return [
            TrainingRow(d.prompt_ids or (), d.completion_ids or (), d.logprobs or (), a)
            for d, a in zip(done, advantages, strict=True)
        ]

    trainer = grpo(
        model, tokenizer, tmp_path, collect, iterations=25, learning_rate=1e-2, temperature=1.0
    )
    train_grpo(trainer, tmp_path)
    assert rates[0] < 0.3
    assert rates[-1] > 0.9


def test_an_iteration_without_rows_changes_nothing(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    before = [p.clone() for p in model.parameters()]
    train_grpo(grpo(model, tokenizer, tmp_path, lambda i: []), tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_grpo_resumes_at_the_iteration_that_was_cut(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast
) -> None:
    from skillrl_train.tiny import TinyModelSettings, build_model

    def fresh() -> LlamaForCausalLM:
        return build_model(tokenizer, TinyModelSettings(width=32, heads=2), seed=0)

    class PowerCut(Exception):
        pass

    asked: list[int] = []
    power = {"on": False}

    def collect(iteration: int) -> list[TrainingRow]:
        asked.append(iteration)
        if iteration == 2 and not power["on"]:
            raise PowerCut
        return rows_of(tokenizer, ("take", 1.0), ("now", -1.0), ("go", float(iteration)))

    with pytest.raises(PowerCut):
        train_grpo(grpo(fresh(), tokenizer, tmp_path / "cut", collect), tmp_path / "cut")
    power["on"] = True
    resumed = grpo(fresh(), tokenizer, tmp_path / "cut", collect)
    train_grpo(resumed, tmp_path / "cut")
    assert asked == [0, 1, 2, 2]
    whole = grpo(fresh(), tokenizer, tmp_path / "whole", collect)
    train_grpo(whole, tmp_path / "whole")
    for one, other in zip(whole.model.parameters(), resumed.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_kl_is_taken_to_the_model_that_training_started_from(
    tmp_path: Path, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    from skillrl_train.checkpoint import load_model, save_checkpoint

    save_checkpoint(tmp_path / "start", model, tokenizer)
    start = load_model(tmp_path / "start")
    trainer = grpo(
        start,
        tokenizer,
        tmp_path / "rl",
        lambda i: rows_of(tokenizer, ("take", 1.0), ("now", -1.0)),
        kl=0.01,
        learning_rate=1e-2,
    )
    train_grpo(trainer, tmp_path / "rl")
    history = [log["kl"] for log in trainer.state.log_history if "kl" in log]
    assert history[0] == pytest.approx(0.0, abs=1e-3)
    assert history[-1] > history[0]


@pytest.mark.parametrize(
    ("field", "value"), [("iterations", 0), ("steps_per_iteration", 0), ("temperature", 0.0)]
)
def test_grpo_settings_are_checked(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        GrpoSettings(**{field: value})  # type: ignore[arg-type]  # wrong on purpose
