"""Cold-start SFT: teach a model to play as demonstrated, with skills in its prompts.

Prompts are built again from the demonstrations by the format that the agent plays with,
so that skills found after a demonstration stand in it too. Loss on the reply only.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from skillrl_envs.exposure import SkillSource
from skillrl_envs.policy import Message
from skillrl_envs.prompt import EpisodeView, PromptFormat, Turn
from skillrl_envs.trajectory import Trajectory
from skillrl_train.checkpoint import full_disk_is_an_error
from skillrl_train.errors import NothingToLearn
from skillrl_train.trainer_state import StepListener, TrainerHooks, resumable_checkpoint
from skillrl_train.transformers_policy import encode_prompt, encode_reply


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One decision to imitate."""

    messages: tuple[Message, ...]
    reply: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SftSettings:
    """How to imitate. Defaults are those measured to work for the tiny model on CPU."""

    steps: int = 900
    batch_size: int = 48
    learning_rate: float = 4e-3
    warmup_steps: int = 30
    save_every: int = 150
    """Steps between the checkpoints that a killed run resumes from."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "save_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0.0 < self.learning_rate < 1.0:
            raise ValueError(f"learning_rate must be in (0, 1), got {self.learning_rate}")
        if self.warmup_steps < 0:
            raise ValueError(f"warmup_steps must be at least 0, got {self.warmup_steps}")


def demonstrations(
    trajectories: Sequence[Trajectory], prompt: PromptFormat, skills: SkillSource | None
) -> list[Demonstration]:
    """Return every decision of `trajectories` with the prompt it would have today.

    Args:
        trajectories: Successful episodes; what a failed one did should not be imitated.
        prompt: The format that the agent will play with.
        skills: What stands in the prompts, from the first step on; None for nothing.
    """
    found = []
    for trajectory in trajectories:
        block = skills(trajectory.task, trajectory.seed)[0] if skills else ""
        for view, reply in _decisions(trajectory, block):
            found.append(Demonstration(prompt.build(view), reply))
    return found


def _decisions(trajectory: Trajectory, skills: str) -> Iterator[tuple[EpisodeView, str]]:
    turns: list[Turn] = []
    for step in trajectory.steps:
        view = EpisodeView(
            instruction=trajectory.instruction,
            skills=skills,
            history=tuple(turns),
            observation=step.observation,
            admissible=step.admissible,
        )
        yield view, step.reply
        turns.append(Turn(step.observation, step.action, step.reply, step.admissible))


def train_sft(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: Sequence[Demonstration],
    settings: SftSettings,
    *,
    folder: Path,
    seed: int,
    listener: StepListener | None = None,
) -> None:
    """Train `model` in place with TRL's SFTTrainer; resumes from `folder` if it can.

    Raises:
        NothingToLearn: no examples.
    """
    if not examples:
        raise NothingToLearn("no demonstrations to imitate; were all collected episodes failures?")
    trainer = SFTTrainer(
        model=model,
        args=_config(settings, folder, seed, on_cpu=model.device.type == "cpu"),
        train_dataset=_dataset(tokenizer, examples),
        processing_class=tokenizer,
        callbacks=[TrainerHooks(listener)],
    )
    trainer.remove_callback(PrinterCallback)
    checkpoint = resumable_checkpoint(folder)
    with full_disk_is_an_error():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    model.eval()


def _dataset(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Demonstration]) -> Dataset:
    rows: dict[str, list[list[int]]] = {"input_ids": [], "labels": []}
    for example in examples:
        prompt = encode_prompt(tokenizer, example.messages)
        reply = encode_reply(tokenizer, example.reply)
        rows["input_ids"].append(prompt + reply)
        rows["labels"].append([-100] * len(prompt) + reply)
    return Dataset.from_dict(rows)


def _config(settings: SftSettings, folder: Path, seed: int, *, on_cpu: bool) -> SFTConfig:
    return SFTConfig(
        output_dir=str(folder),
        max_steps=settings.steps,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        warmup_steps=settings.warmup_steps,
        lr_scheduler_type="cosine",
        weight_decay=0.0,
        adam_beta2=0.98,  # short runs: the default 0.999 remembers longer than they last
        max_length=None,
        packing=False,
        save_steps=settings.save_every,
        save_total_limit=2,
        logging_steps=10,
        seed=seed,
        data_seed=seed,
        use_cpu=on_cpu,
        # In full precision the policy that plays and the loss agree on every log-prob.
        bf16=False,
        gradient_checkpointing=False,
        dataloader_pin_memory=not on_cpu,
        report_to="none",
        disable_tqdm=True,
    )
