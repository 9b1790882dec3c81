"""A policy that is a transformers model in this process: batched, cached, seeded."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from skillrl_envs.chat_tokens import prompt_tokens
from skillrl_envs.policy import Completion, Message, Request


class TransformersPolicy:
    """Samples from a model with log-probabilities at the temperature sampled with.

    Each request draws from its own generator, so that its sample does not depend on
    what else is in the batch (up to rounding).
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        version: str,
        max_batch: int = 128,
    ) -> None:
        """Answer with `model`; `version` names its weights and must change with them."""
        self.model, self.tokenizer = model, tokenizer
        self.version = version
        self._max_batch = max_batch

    async def generate(self, requests: Sequence[Request], /) -> list[Completion]:
        """Return one completion per request; long and short prompts go in separate batches."""
        prompts = [
            encode_prompt(self.tokenizer, request.messages, request.token_prefix)
            for request in requests
        ]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        completions: dict[int, Completion] = {}
        was_training = self.model.training
        self.model.eval()
        try:
            for start in range(0, len(order), self._max_batch):
                chunk = order[start : start + self._max_batch]
                answers = self._sample([requests[i] for i in chunk], [prompts[i] for i in chunk])
                completions.update(zip(chunk, answers, strict=True))
        finally:
            self.model.train(was_training)
        return [completions[i] for i in range(len(requests))]

    def _sample(self, requests: list[Request], prompts: list[list[int]]) -> list[Completion]:
        ids_B_T, logprobs_B_T = self._decode(requests, prompts)
        end = self.tokenizer.eos_token_id
        completions = []
        for request, prompt, ids, logprobs in zip(
            requests, prompts, ids_B_T.tolist(), logprobs_B_T.tolist(), strict=True
        ):
            stops = ids.index(end) + 1 if end in ids else None
            length = min(stops or len(ids), request.max_tokens)
            text = self.tokenizer.decode(ids[:length], skip_special_tokens=True)
            completions.append(
                Completion(
                    text=text,
                    prompt_ids=tuple(prompt),
                    completion_ids=tuple(ids[:length]),
                    logprobs=tuple(logprobs[:length]),
                    finish_reason="stop" if stops and stops <= request.max_tokens else "length",
                    policy_version=self.version,
                )
            )
        return completions

    @torch.no_grad()
    def _decode(self, requests: list[Request], prompts: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Return sampled ids and their log-probabilities, shape (B, T) each."""
        device = self.model.device
        steps = max(request.max_tokens for request in requests)
        noise = _GumbelNoise(requests, self.model.config.vocab_size)
        temperature_B_1 = torch.tensor([[r.temperature or 1.0] for r in requests], device=device)
        inputs, mask_B_T = _left_pad(prompts, self.tokenizer.pad_token_id or 0, device)
        positions = (mask_B_T.cumsum(-1) - 1).clamp(min=0)
        cache = DynamicCache(config=self.model.config)
        done_B = torch.zeros(len(requests), dtype=torch.bool, device=device)
        ids, logprobs = [], []
        for _ in range(steps):
            logits_B_V = (
                self.model(
                    input_ids=inputs,
                    attention_mask=mask_B_T,
                    position_ids=positions,
                    past_key_values=cache,
                    logits_to_keep=1,
                )
                .logits[:, -1]
                .float()
            )
            scores_B_V = torch.log_softmax(logits_B_V / temperature_B_1, dim=-1)
            chosen_B = (scores_B_V + noise.draw().to(device)).argmax(-1)
            ids.append(chosen_B)
            logprobs.append(scores_B_V.gather(-1, chosen_B[:, None])[:, 0])
            done_B |= chosen_B == self.tokenizer.eos_token_id
            if bool(done_B.all()):
                break
            inputs = chosen_B[:, None]
            mask_B_T = torch.cat([mask_B_T, mask_B_T.new_ones(len(requests), 1)], dim=1)
            positions = positions[:, -1:] + 1
        return torch.stack(ids, dim=1), torch.stack(logprobs, dim=1)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase,
    messages: Sequence[Message],
    token_prefix: Sequence[int] | None = None,
) -> list[int]:
    """Return the exact tokens that a policy sees for these messages.

    The only place where prompts become tokens: SFT, RL and evaluation agree by it. With a
    prefix, a conversation goes on from exactly those tokens.
    """

    def render(chat: Sequence[Message]) -> str:
        text: str = tokenizer.apply_chat_template(
            [{"role": message.role, "content": message.content} for message in chat],
            tokenize=False,
            add_generation_prompt=True,
        )
        return text

    def encode(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    return prompt_tokens(messages, token_prefix, render=render, encode=encode)


def encode_reply(tokenizer: PreTrainedTokenizerBase, reply: str) -> list[int]:
    """Return the tokens of a reply, closed by the end-of-turn token."""
    ids = list(tokenizer(reply, add_special_tokens=False)["input_ids"])
    return [*ids, tokenizer.eos_token_id]


def _left_pad(prompts: list[list[int]], pad: int, device: torch.device) -> tuple[Tensor, Tensor]:
    length = max(map(len, prompts))
    ids = [[pad] * (length - len(prompt)) + prompt for prompt in prompts]
    mask = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


class _GumbelNoise:
    """Gumbel(0, 1) noise: argmax(log p + noise) is a sample from p; none for greedy requests.

    The Gumbel-max trick (Maddison et al., arXiv:1411.0030). Every request draws from a
    generator of its own.
    """

    def __init__(self, requests: list[Request], vocabulary: int) -> None:
        self._vocabulary = vocabulary
        self._generators = [
            torch.Generator().manual_seed(request.seed) if request.temperature > 0 else None
            for request in requests
        ]

    def draw(self) -> Tensor:
        """Return the noise of the next step, shape (B, V)."""
        noise_B_V = torch.zeros(len(self._generators), self._vocabulary)
        for row, generator in zip(noise_B_V, self._generators, strict=True):
            if generator is not None:
                uniform = torch.rand(self._vocabulary, generator=generator).clamp_min_(1e-20)
                row.copy_(-torch.log(-torch.log(uniform)))
        return noise_B_V
