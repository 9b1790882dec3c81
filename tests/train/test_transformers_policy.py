import asyncio

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from skillrl_envs.policy import Completion, Message, Request
from skillrl_train.transformers_policy import TransformersPolicy

PROMPTS = ("go", "take red mug 3 , now go to mug 1", "blue")


def request(text: str, *, seed: int = 0, temperature: float = 0.7, max_tokens: int = 6) -> Request:
    return Request(
        messages=(Message("user", text),),
        episode_id="e",
        step=0,
        seed=seed,
        max_tokens=max_tokens,
        temperature=temperature,
    )


def answers(policy: TransformersPolicy, *requests: Request) -> list[Completion]:
    return asyncio.run(policy.generate(requests))


@pytest.fixture
def policy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> TransformersPolicy:
    return TransformersPolicy(model, tokenizer, version="v1")


def test_logprobs_are_those_of_a_plain_forward_pass(
    policy: TransformersPolicy, model: LlamaForCausalLM
) -> None:
    for done in answers(policy, *(request(text, seed=7) for text in PROMPTS)):
        assert done.prompt_ids is not None
        assert done.completion_ids is not None
        assert done.logprobs is not None
        ids = torch.tensor([[*done.prompt_ids, *done.completion_ids]])
        with torch.no_grad():
            logits = model(ids).logits[0, len(done.prompt_ids) - 1 : -1] / 0.7
        expected = torch.log_softmax(logits, -1).gather(
            -1, torch.tensor(done.completion_ids)[:, None]
        )
        torch.testing.assert_close(
            torch.tensor(done.logprobs), expected[:, 0], rtol=1e-4, atol=1e-5
        )


def test_a_sample_does_not_depend_on_its_batch(policy: TransformersPolicy) -> None:
    alone = [answers(policy, request(text, seed=3))[0] for text in PROMPTS]
    together = answers(policy, *(request(text, seed=3) for text in PROMPTS))
    assert [done.completion_ids for done in together] == [done.completion_ids for done in alone]


def test_seeds_decide_samples(policy: TransformersPolicy) -> None:
    same = answers(policy, request("go", seed=1), request("go", seed=1))
    assert same[0].completion_ids == same[1].completion_ids
    many = answers(policy, *(request("go", seed=s) for s in range(8)))
    assert len({done.completion_ids for done in many}) > 1


def test_samples_follow_the_model(policy: TransformersPolicy, model: LlamaForCausalLM) -> None:
    # 2,000 draws of the first token against its probabilities: a chi-square of about its
    # degrees of freedom; 1.6 times that is beyond any luck.
    done = answers(policy, *(request("go", seed=s, max_tokens=1) for s in range(2000)))
    assert done[0].prompt_ids is not None
    with torch.no_grad():
        p = torch.softmax(model(torch.tensor([done[0].prompt_ids])).logits[0, -1] / 0.7, -1)
    counts = torch.zeros_like(p)
    for completion in done:
        assert completion.completion_ids is not None
        counts[completion.completion_ids[0]] += 1
    expected = 2000 * p
    assert float(((counts - expected) ** 2 / expected).sum()) < 1.6 * len(p) + 10


def test_greedy_takes_the_likeliest_token(
    policy: TransformersPolicy, model: LlamaForCausalLM
) -> None:
    (done,) = answers(policy, request("go", temperature=0.0))
    assert done.completion_ids is not None
    with torch.no_grad():
        logits = model(torch.tensor([done.prompt_ids])).logits[0, -1]
    assert done.completion_ids[0] == int(logits.argmax())


def test_limits_hold_per_request(policy: TransformersPolicy) -> None:
    short, long = answers(
        policy, request("go", seed=5, max_tokens=1), request("go", seed=5, max_tokens=6)
    )
    assert short.completion_ids == (long.completion_ids or ())[:1]


def test_stopping_and_running_out_are_told_apart(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    end = tokenizer.eos_token_id
    with torch.no_grad():
        # Every token equally likely: some replies end early, most do not.
        model.model.norm.weight.zero_()
        policy = TransformersPolicy(model, tokenizer, version="v")
        done = answers(policy, *(request("go", seed=s) for s in range(200)))
    stopped = [d for d in done if d.finish_reason == "stop"]
    cut = [d for d in done if d.finish_reason == "length"]
    assert stopped
    assert cut
    assert all(d.completion_ids and d.completion_ids[-1] == end for d in stopped)
    assert all(d.completion_ids and end not in d.completion_ids for d in cut)
    assert all(d.completion_ids and len(d.completion_ids) == 6 for d in cut)


def test_training_mode_is_left_as_it_was(
    policy: TransformersPolicy, model: LlamaForCausalLM
) -> None:
    model.train()
    answers(policy, request("go"))
    assert model.training
