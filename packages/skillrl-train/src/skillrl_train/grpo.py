"""GRPO for multi-turn agents on TRL: our rollouts and rows, TRL's loss and optimiser.

TRL's own trainer ties one row to one prompt. Agents need as many rows as there were
steps, so exactly one method is overridden; a contract test fails when that seam moves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from skillrl_train.checkpoint import full_disk_is_an_error
from skillrl_train.errors import TrainError
from skillrl_train.rows import TrainingRow
from skillrl_train.trainer_state import StepListener, TrainerHooks, resumable_checkpoint

CollectRows = Callable[[int], Sequence[TrainingRow]]
"""iteration (0-based) -> the rows that the current weights played for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoSettings:
    """How to improve by playing. Defaults are those measured to work for the tiny model."""

    iterations: int = 30
    steps_per_iteration: int = 4
    """Optimiser steps per iteration, however many rows it has."""
    learning_rate: float = 3e-4
    temperature: float = 0.7
    """The rollouts are sampled at; log-probabilities are taken at the same."""
    clip: float = 0.2
    kl: float = 0.0
    """Weight of the k3 estimate of KL to the starting policy (the paper's 0.01)."""
    save_every: int = 1
    """Iterations between the checkpoints that a killed run resumes from."""

    def __post_init__(self) -> None:
        for name in ("iterations", "steps_per_iteration", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0 to explore, got {self.temperature}")
        for name in ("learning_rate", "clip"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ValueError(f"{name} must be in (0, 1), got {getattr(self, name)}")
        if not self.kl >= 0:
            raise ValueError(f"kl must be at least 0, got {self.kl}")


class AgentGRPOTrainer(GRPOTrainer):  # type: ignore[misc]  # TRL ships no types
    """TRL's GRPOTrainer, fed with the steps of played episodes."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        settings: GrpoSettings,
        collect: CollectRows,
        *,
        folder: Path,
        seed: int,
        listener: StepListener | None = None,
    ) -> None:
        """Prepare to train `model` in place; nothing is played yet."""
        self._settings, self._collect = settings, collect
        super().__init__(
            model=model,
            reward_funcs=_no_reward,
            args=_config(settings, folder, seed, on_cpu=model.device.type == "cpu"),
            # TRL counts batches by a data set; what is played is ours to choose.
            train_dataset=Dataset.from_dict({"prompt": ["-"] * settings.steps_per_iteration}),
            processing_class=tokenizer,
            callbacks=[TrainerHooks(listener)],
        )
        self.remove_callback(PrinterCallback)

    def _generate_and_score_completions(self, inputs: object) -> dict[str, Tensor]:
        del inputs
        iteration = self.state.global_step // self._settings.steps_per_iteration
        rows = self._collect(iteration)
        batch = batch_rows(
            rows,
            multiple=self.args.steps_per_generation,
            pad=self.processing_class.pad_token_id,
            device=self.accelerator.device,
        )
        if self.beta != 0.0:
            batch["ref_per_token_logps"] = self._reference_logps(batch)
        return batch

    def _reference_logps(self, batch: dict[str, Tensor]) -> Tensor:
        logps: Tensor
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        with torch.no_grad():
            logps, _, _ = self._get_per_token_logps_and_entropies(
                self.ref_model, ids, mask, batch["completion_ids"].size(1), batch_size=256
            )
        return logps


def train_grpo(trainer: AgentGRPOTrainer, folder: Path) -> None:
    """Run every iteration that `folder` does not hold a checkpoint of yet."""
    checkpoint = resumable_checkpoint(folder)
    with full_disk_is_an_error():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.state.global_step < trainer.args.max_steps:
        raise TrainError(
            f"TRL stopped after {trainer.state.global_step} of {trainer.args.max_steps} optimiser "
            "steps without saying why"
        )
    trainer.model.eval()


def batch_rows(
    rows: Sequence[TrainingRow], *, multiple: int, pad: int, device: torch.device
) -> dict[str, Tensor]:
    """Return TRL's tensors for `rows`: prompts padded left, completions right.

    The number of rows is filled up to `multiple` with rows that are masked out wholly:
    TRL drops what does not divide, and repeating real rows would bias the gradient.
    """
    blank = TrainingRow((pad,), (pad,), (0.0,), 0.0)
    missing = -len(rows) % multiple if rows else multiple
    filled = [*rows, *[blank] * missing]
    real_B = torch.tensor([1] * len(rows) + [0] * missing, device=device)
    prompts = [row.prompt_ids for row in filled]
    completions = [row.completion_ids for row in filled]
    prompt_length, length = max(map(len, prompts)), max(map(len, completions))
    completion_mask = torch.tensor(
        [[1] * len(ids) + [0] * (length - len(ids)) for ids in completions], device=device
    ) * real_B.unsqueeze(1)
    return {
        "prompt_ids": torch.tensor(
            [[pad] * (prompt_length - len(ids)) + list(ids) for ids in prompts], device=device
        ),
        # A masked-out row keeps one visible token: attention over nothing is NaN.
        "prompt_mask": torch.tensor(
            [[0] * (prompt_length - len(ids)) + [1] * len(ids) for ids in prompts], device=device
        ),
        "completion_ids": torch.tensor(
            [list(ids) + [pad] * (length - len(ids)) for ids in completions], device=device
        ),
        "completion_mask": completion_mask,
        "old_per_token_logps": torch.tensor(
            [list(row.logprobs) + [0.0] * (length - len(row.logprobs)) for row in filled],
            device=device,
        ),
        "advantages": torch.tensor([row.advantage for row in filled], device=device),
        "num_items_in_batch": completion_mask.sum(),
    }


def _no_reward(completions: Sequence[object], **_: Any) -> list[float]:
    # TRL asks for a reward function; the environment has rewarded long before.
    return [0.0] * len(completions)


def _config(settings: GrpoSettings, folder: Path, seed: int, *, on_cpu: bool) -> GRPOConfig:
    steps = settings.steps_per_iteration
    return GRPOConfig(
        output_dir=str(folder),
        max_steps=settings.iterations * steps,
        # Two stand-in prompts make one batch; the rows we return replace them.
        per_device_train_batch_size=2,
        num_generations=2,
        steps_per_generation=steps,
        gradient_accumulation_steps=1,
        learning_rate=settings.learning_rate,
        lr_scheduler_type="constant",
        weight_decay=0.0,
        temperature=settings.temperature,
        epsilon=settings.clip,
        beta=settings.kl,
        use_bias_correction_kl=False,
        loss_type="dapo",
        save_steps=settings.save_every * steps,
        save_total_limit=2,
        logging_steps=steps,
        ignore_data_skip=True,
        seed=seed,
        use_cpu=on_cpu,
        # In full precision the policy that plays and the loss agree on every log-prob.
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=not on_cpu,
        report_to="none",
        disable_tqdm=True,
    )
