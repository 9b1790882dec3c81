"""Cold-start SFT on the successful demonstrations."""

from collections.abc import Mapping
from typing import Any

from skillrl_app.context import RunContext
from skillrl_app.seeds import derive_seed
from skillrl_app.stages import model as models
from skillrl_train.sft import train_sft

NAME = "sft"


def imitate(context: RunContext) -> Mapping[str, Any]:
    """Train the base model on the demonstrations and keep the result."""
    config = context.config
    found = models.examples(context)
    model, tokenizer = models.load(context, models.BASE)
    with context.console.bar("SFT steps", config.sft.steps) as bar:

        def report(done: int, total: int, metrics: Mapping[str, float]) -> None:
            bar.at(done, total, note=f"loss {metrics['loss']:.3f}" if "loss" in metrics else "")

        train_sft(
            model,
            tokenizer,
            found,
            config.sft,
            folder=context.run.checkpoint("sft-trainer"),
            seed=derive_seed(config.seed, "sft") % 2**31,
            listener=report,
        )
    models.keep(context, NAME, model, tokenizer)
    return {"examples": len(found)}
