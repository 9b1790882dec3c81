"""A conversation goes on from exact tokens: real chat templates, tokenizers and a real model."""

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from skillrl_envs.alfworld import AlfworldEnv, generated_tasks
from skillrl_envs.chat_tokens import prompt_tokens
from skillrl_envs.conversation import ConversationPrompt
from skillrl_envs.policy import Completion, Message, Policy, Request
from skillrl_envs.prompt import PromptFormat, WindowPrompt
from skillrl_envs.responder import policy_responder
from skillrl_envs.rollout import EpisodeSpec, Player, RolloutSettings, rollout
from skillrl_envs.token_budget import TokenBudget
from skillrl_envs.trajectory import Trajectory
from skillrl_train.tiny import TinyModelSettings, build_model, build_tokenizer
from skillrl_train.transformers_policy import TransformersPolicy, encode_prompt

TASKS = generated_tasks("check", 3)
# ChatML that drops the thoughts of earlier turns, as the templates of reasoning models do:
# a chat rendered anew is never an extension of what was sampled.
FORGETFUL = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['role'] == 'assistant' %}{{ message['content'].split('</think>')[-1].strip() }}"
    "{% else %}{{ message['content'] }}{% endif %}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def corpus() -> list[str]:
    texts = ["system user assistant <think> </think> <action> </action>"]
    for task in TASKS:
        env = AlfworldEnv()
        observation = env.reset(task)
        texts += [env.instruction, observation.text, *observation.admissible]
    return texts


@pytest.fixture(scope="module")
def tiny() -> PreTrainedTokenizerFast:
    """The tokenizer of the tiny model: words."""
    return build_tokenizer(corpus(), max_length=4096)


@pytest.fixture(scope="module")
def forgetful() -> PreTrainedTokenizerFast:
    """Byte-level BPE, as large models have it, with a template that forgets thoughts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=["<|pad|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<|pad|>",
        eos_token="<|im_end|>",
        chat_template=FORGETFUL,
        clean_up_tokenization_spaces=False,
    )


@pytest.fixture(params=["tiny", "forgetful"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    """Either tokenizer."""
    found: PreTrainedTokenizerFast = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Untrained: it writes what no template would expect."""
    return build_model(
        tokenizer, TinyModelSettings(width=32, heads=2, layers=1, max_length=4096), seed=3
    )


def play(policy: Policy, prompt: PromptFormat, *, max_tokens: int = 6) -> list[Trajectory]:
    player = Player(
        run_id="r",
        make_env=lambda task: AlfworldEnv(),
        prompt=prompt,
        respond=policy_responder(policy),
        policy_version="p",
        settings=RolloutSettings(max_steps=6, max_tokens=max_tokens),
    )
    specs = [
        EpisodeSpec(task=task, group_id=task.id, replica=0, seed=i) for i, task in enumerate(TASKS)
    ]

    async def collect() -> list[Trajectory]:
        return [episode async for episode in rollout(player, specs)]

    return asyncio.run(collect())


def chained(episode: Trajectory) -> list[bool]:
    """Return whether each step's prompt goes on exactly where the step before ended."""
    links = []
    done = [step.completion for step in episode.steps]
    for before, after in pairwise(done):
        assert before is not None
        assert before.prompt_ids is not None
        assert before.completion_ids is not None
        assert after is not None
        assert after.prompt_ids is not None
        so_far = before.prompt_ids + before.completion_ids
        links.append(after.prompt_ids[: len(so_far)] == so_far)
    return links


def test_a_conversation_extends_the_tokens_it_was_sampled_with(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    policy = TransformersPolicy(model, tokenizer, version="p")
    episodes = play(policy, ConversationPrompt("an agent"))
    assert {episode.context for episode in episodes} == {"conversation"}
    assert [chained(episode) for episode in episodes] == [[True] * 5] * len(TASKS)
    # Tokenised anew, the same chats are other tokens somewhere: the prefix does matter.
    again = [
        encode_prompt(tokenizer, step.messages) == list(step.completion.prompt_ids or ())
        for episode in episodes
        for step in episode.steps[1:]
        if step.completion is not None
    ]
    assert not all(again)


def test_a_window_goes_on_from_nothing(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    policy = TransformersPolicy(model, tokenizer, version="p")
    for episode in play(policy, WindowPrompt("an agent")):
        assert episode.context == "window"
        assert not any(chained(episode))


def test_a_chat_that_starts_again_is_tokenised_again(
    tiny: PreTrainedTokenizerFast,
) -> None:
    model = build_model(
        tiny, TinyModelSettings(width=32, heads=2, layers=1, max_length=4096), seed=3
    )

    def count(text: str) -> int:
        return len(tiny(text, add_special_tokens=False)["input_ids"])

    prompt = ConversationPrompt("an agent", budget=TokenBudget(limit=400, count=count))
    episodes = play(TransformersPolicy(model, tiny, version="p"), prompt)
    assert {link for episode in episodes for link in chained(episode)} == {True, False}
    done = [step.completion for episode in episodes for step in episode.steps]
    assert max(one.tokens_read for one in done if one is not None) <= 400


def ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


CHAT = (
    Message("user", "look"),
    Message("assistant", "<think>a</think>go"),
    Message("user", "help"),
)


@pytest.mark.parametrize("stopped", [True, False])
def test_the_turns_end_is_written_once(forgetful: PreTrainedTokenizerFast, stopped: bool) -> None:
    start = ids(forgetful, "<|im_start|>user\nlook<|im_end|>\n<|im_start|>assistant\n")
    said = ids(forgetful, "<think>a</think>go")
    end = ids(forgetful, "<|im_end|>")
    prefix = start + said + (end if stopped else [])
    rest = ids(forgetful, "\n<|im_start|>user\nhelp<|im_end|>\n<|im_start|>assistant\n")
    assert encode_prompt(forgetful, CHAT, prefix) == start + said + end + rest


def test_a_mark_in_a_message_does_not_mislead(forgetful: PreTrainedTokenizerFast) -> None:
    odd = [Message(m.role, m.content + " \u2982reply\u2983") for m in CHAT]
    found = encode_prompt(forgetful, odd, (7, 8))
    rest = ids(
        forgetful,
        "<|im_end|>\n<|im_start|>user\nhelp \u2982reply\u2983<|im_end|>\n<|im_start|>assistant\n",
    )
    assert found == [7, 8, *rest]


def test_a_prefix_without_a_reply_is_refused(forgetful: PreTrainedTokenizerFast) -> None:
    with pytest.raises(ValueError, match="needs a message of the assistant"):
        encode_prompt(forgetful, CHAT[:1], (7,))
    with pytest.raises(ValueError, match="leaves out the assistant's last reply"):
        prompt_tokens(CHAT, (7,), render=lambda chat: "", encode=lambda text: [])


def test_a_policy_that_leaves_the_prefix_fails_with_the_place() -> None:
    class Retokenising:
        async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
            return [
                Completion(
                    text="look",
                    prompt_ids=(1, 2, 10 + request.step),
                    completion_ids=(4,),
                    finish_reason="stop",
                    policy_version="p",
                )
                for request in requests
            ]

    for episode in play(Retokenising(), ConversationPrompt("an agent")):
        assert len(episode.steps) == 1
        assert episode.ended.kind == "failed"
        assert episode.ended.reason == (
            "PolicyError: the prompt leaves its token prefix of 4 at token 2; "
            "chat_tokens.prompt_tokens keeps it"
        )
        assert (episode.completion_tokens, episode.wasted_tokens) == (1, 1)
