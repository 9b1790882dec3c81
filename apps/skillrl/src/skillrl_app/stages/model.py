"""The model before any training, and where trained ones are kept."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from skillrl_app.context import RunContext
from skillrl_app.errors import RunError
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
    episodes = collected(context)
    successes = [episode for episode in episodes if episode.outcome.success]
    if not successes:
        raise RunError(
            f"none of the {len(episodes)} collected episodes was won, so there is nothing to "
            f"imitate; lower collect.noise ({context.config.collect.noise})"
        )
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
        "bank_revision": context.newest_revision() if context.uses_skills else None,
    }
    write_atomically(path / "skillrl.json", json.dumps(about, indent=2) + "\n")


def revision(context: RunContext, name: str) -> int | None:
    """Return the bank revision that `checkpoints/name` plays with; None without a bank.

    Raises:
        RunError: it was trained on another prompt than this release builds.
    """
    about = json.loads((context.run.checkpoint(name) / "skillrl.json").read_text(encoding="utf-8"))
    prompt = context.prompt().name
    if about["prompt"] != prompt:
        raise RunError(
            f"checkpoint {name!r} was trained with the prompt {about['prompt']!r}; this release "
            f"builds {prompt!r}, which it cannot read"
        )
    found: int | None = about["bank_revision"]
    return found


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
    return context.skills_at(
        context.journal["distill"].result["revision"], context.config.skills.withhold
    )


def _texts(example: Demonstration) -> list[str]:
    return [*(message.content for message in example.messages), example.reply]
