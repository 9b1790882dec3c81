"""A language model small enough to learn on a laptop: closed vocabulary, two layers.

It is an ordinary transformers model with an ordinary fast tokenizer; nothing else in the
package knows that it is small. Words outside its vocabulary become UNK,
which an evaluation counts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from skillrl_train.errors import NothingToLearn

PAD, UNK, END = "<|pad|>", "<|unk|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|> ' + message['content'] + ' <|end|> ' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|> ' }}{% endif %}"
)

# "mug 2" is one token: told apart from "mug 1" by one embedding, copied by one attention
# step. Measured: with the number as a token of its own, SFT was far weaker.
_ENTITY = re.compile(r"\b([a-z]+) (\d{1,3})\b")
_TOKEN = r"<\|[a-z]+\|>|</?[a-z]+>|[a-z]+ \d{1,3}\b|[a-z]+(?:'[a-z]+)?|\d+|[^\sa-z0-9]"


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModelSettings:
    """The shape of the model. The defaults have about 0.13 million parameters."""

    width: int = 64
    layers: int = 2
    heads: int = 4
    max_length: int = 1024
    """Longest prompt and reply together, in tokens."""

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads", "max_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must be a multiple of twice the heads ({2 * self.heads}), got {self.width}"
            )


def build_tokenizer(texts: Iterable[str], *, max_length: int = 1024) -> PreTrainedTokenizerFast:
    """Return a tokenizer whose vocabulary is the words of `texts`.

    Numbered things ("drawer 3") are closed upwards: every kind gets every number up to two
    above its highest, so that a somewhat larger house than those seen needs no new word.

    Raises:
        NothingToLearn: no word in `texts`.
    """
    pattern = re.compile(_TOKEN)
    words: set[str] = set()
    for text in texts:
        words.update(pattern.findall(text.lower()))
    if not words:
        raise NothingToLearn("cannot build a vocabulary from no text")
    highest: dict[str, int] = {}
    for word in words:
        if found := _ENTITY.fullmatch(word):
            kind, number = found.group(1), int(found.group(2))
            highest[kind] = max(number, highest.get(kind, 0))
    for kind, top in highest.items():
        words.add(kind)
        words.update(f"{kind} {number}" for number in range(1, top + 3))
    words.update(str(number) for number in range(max(highest.values(), default=0) + 3))
    special = [PAD, UNK, END, *ROLES]
    vocabulary = {word: i for i, word in enumerate([*special, *sorted(words - set(special))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNK))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_TOKEN), "removed", invert=True)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNK,
        eos_token=END,
        chat_template=CHAT_TEMPLATE,
        model_max_length=max_length,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast, settings: TinyModelSettings, *, seed: int
) -> LlamaForCausalLM:
    """Return an untrained model for that tokenizer; equal seeds give equal weights."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.width,
        intermediate_size=settings.width * 2,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=settings.max_length,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        attention_dropout=0.0,
        # 1 / sqrt(64): at the usual 0.02 a model this narrow takes twice the steps.
        initializer_range=0.12,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        _share_meaning(model, tokenizer)
    return model.eval()


def _share_meaning(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Start "mug 2" near both "mug" and "2" (.8 and .6 keep the norm)."""
    vocabulary = tokenizer.get_vocab()
    weight = model.get_input_embeddings().weight
    with torch.no_grad():
        for word, index in vocabulary.items():
            if found := _ENTITY.fullmatch(word):
                kind, number = (weight[vocabulary[part]] for part in found.groups())
                weight[index] = 0.8 * kind + 0.6 * number
