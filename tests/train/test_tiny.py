from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from skillrl_envs.actions import ParsedReply
from skillrl_envs.alfworld import CompactPrompt
from skillrl_envs.policy import Message
from skillrl_envs.prompt import PromptFormat, WindowPrompt
from skillrl_train.checkpoint import load_model, load_tokenizer, save_checkpoint
from skillrl_train.errors import CheckpointError, NothingToLearn, TokenizerError
from skillrl_train.tiny import TinyModelSettings, build_model, build_tokenizer
from skillrl_train.transformers_policy import encode_prompt, encode_reply


def test_a_numbered_thing_is_one_token(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("Go to mug 2 , now") == ["go", "to", "mug 2", ",", "now"]


def test_every_kind_knows_some_more_numbers_than_were_seen() -> None:
    wider = build_tokenizer(["cup 1", "drawer 4"])
    assert wider.unk_token_id not in wider("cup 3 drawer 2 drawer 6 cup")["input_ids"]
    assert wider.tokenize("cup 4") == ["<|unk|>"]


def test_a_new_word_is_unknown_and_nothing_else_is(tokenizer: PreTrainedTokenizerFast) -> None:
    assert tokenizer.tokenize("take blue mug 1") == ["take", "<|unk|>", "mug 1"]


def test_replies_decode_to_what_was_said(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode_reply(tokenizer, "take mug 2 , now")
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.decode(ids, skip_special_tokens=True) == "take mug 2 , now"


@pytest.mark.parametrize("prompt", [CompactPrompt(), WindowPrompt("an agent")])
def test_a_reply_survives_tokens_and_is_still_read(prompt: PromptFormat) -> None:
    reply = prompt.compose("i need mug 2 , now", "take mug 2 from shelf 1")
    words = build_tokenizer([reply])
    told = words.decode(encode_reply(words, reply), skip_special_tokens=True)
    assert prompt.parse(told, ("take mug 2 from shelf 1",)) == ParsedReply(
        "take mug 2 from shelf 1", valid=True
    )


def test_prompts_end_where_the_assistant_begins(tokenizer: PreTrainedTokenizerFast) -> None:
    ids = encode_prompt(tokenizer, [Message("user", "go to mug 1")])
    assert tokenizer.convert_ids_to_tokens(ids) == [
        "<|user|>", "go", "to", "mug 1", "<|end|>", "<|assistant|>",
    ]  # fmt: skip


def test_no_text_gives_no_vocabulary() -> None:
    with pytest.raises(NothingToLearn):
        build_tokenizer([" "])


def test_equal_seeds_give_equal_weights_and_leave_the_global_generator_alone(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    settings = TinyModelSettings(width=32, heads=2)
    before = torch.get_rng_state()
    one, two, other = (build_model(tokenizer, settings, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    pairs = list(zip(one.parameters(), two.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(one.lm_head.weight, other.lm_head.weight)


def test_numbered_things_start_near_their_kind(
    tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM
) -> None:
    weight = model.get_input_embeddings().weight
    words = tokenizer.get_vocab()
    expected = 0.8 * weight[words["mug"]] + 0.6 * weight[words["2"]]
    torch.testing.assert_close(weight[words["mug 2"]], expected)


def test_the_width_must_fit_the_heads() -> None:
    with pytest.raises(ValueError, match=r"multiple of twice the heads \(8\), got 60"):
        TinyModelSettings(width=60, heads=4)


def test_a_checkpoint_comes_back_as_it_was(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM
) -> None:
    path = tmp_path / "m"
    save_checkpoint(path, model, tokenizer)
    loaded, words = load_model(path), load_tokenizer(path)
    assert words.get_vocab() == tokenizer.get_vocab()
    pairs = zip(model.parameters(), loaded.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    prompt = [Message("user", "take mug 3")]
    assert encode_prompt(words, prompt) == encode_prompt(tokenizer, prompt)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def test_a_tokenizer_that_reads_differently_is_refused(
    tmp_path: Path, tokenizer: PreTrainedTokenizerFast, model: LlamaForCausalLM
) -> None:
    path = tmp_path / "m"
    save_checkpoint(path, model, tokenizer)
    (path / "tokenizer_probe.json").write_text("[1, 2, 3]")
    with pytest.raises(TokenizerError, match="tokenizes differently"):
        load_tokenizer(path)


def test_a_directory_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_model(tmp_path)
    with pytest.raises(CheckpointError, match=str(tmp_path)):
        load_tokenizer(tmp_path)
