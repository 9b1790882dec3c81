"""A tiny model over a handful of words, for tests that need a real one."""

import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from skillrl_train.tiny import TinyModelSettings, build_model, build_tokenizer

TEXTS = ["go to mug 1", "go to mug 2", "take red mug 3 , now"]


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """Words of TEXTS."""
    return build_tokenizer(TEXTS, max_length=64)


@pytest.fixture
def model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Untrained, the same for every test."""
    return build_model(tokenizer, TinyModelSettings(width=32, heads=2, max_length=64), seed=3)
