"""The model before any training, and where trained ones are kept."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillrl_app.context import RunContext
from skillrl_app.run_directory import write_atomically
from skillrl_app.seeds import derive_seed
from skillrl_app.stages.collect import collected
from skillrl_envs.exposure import SkillSource
from skillrl_train.checkpoint import load_model, load_tokenizer, save_checkpoint
from skillrl_train.sft import Demonstration, demonstrations
from skillrl_train.tiny import build_model, build_tokenizer
from skillrl_train.transformers_policy import TransformersPolicy

BASE = "base"


def build_base(context: RunContext) -> Mapping[str, Any]:
    """Build the untrained model; its vocabulary is the words of the demonstrations."""
    config = context.config
    texts = [text for example in examples(context) for text in _texts(example)]
    tokenizer = build_tokenizer(texts, max_length=config.model.max_length)
    model = build_model(tokenizer, config.model, seed=derive_seed(config.seed, "model"))
    keep(context, BASE, model, tokenizer)
    return {"vocabulary": len(tokenizer), "parameters": model.num_parameters()}


def examples(context: RunContext) -> list[Demonstration]:
    """Return the decisions of every successful collected episode, skills in their prompts."""
    successes = [episode for episode in collected(context) if episode.outcome.success]
    return demonstrations(successes, context.prompt(), _skills(context))


def keep(
    context: RunContext, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> None:
    """Save a model as `checkpoints/name`, with the bank revision it is to play with."""
    path = context.run.checkpoint(name)
    if not path.exists():  # saved already, but the run was ended before the journal knew
        path.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(path, model, tokenizer)
    about = {
        "run_id": context.run_id,
        "prompt": context.prompt().name,
        "bank_revision": context.bank.revision if context.uses_skills else None,
    }
    write_atomically(path / "skillrl.json", json.dumps(about, indent=2) + "\n")


def load(context: RunContext, name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load `checkpoints/name`."""
    path: Path = context.run.checkpoint(name)
    return load_model(path), load_tokenizer(path)


def policy(context: RunContext, name: str) -> TransformersPolicy:
    """Return the policy of `checkpoints/name`."""
    model, tokenizer = load(context, name)
    return TransformersPolicy(model, tokenizer, version=f"{context.run_id}/{name}")


def _skills(context: RunContext) -> SkillSource | None:
    if not context.uses_skills:
        return None
    revision = context.journal["distill"].result["revision"]
    return context.skills_at(revision, context.config.skills.withhold)


def _texts(example: Demonstration) -> list[str]:
    return [*(message.content for message in example.messages), example.reply]
