"""Saves and loads a model with its tokenizer, and proves that the tokenizer survived.

transformers 5 may pick a tokenizer class by the model's type and silently tokenize
differently from what was saved; a policy would then read garbage without any error.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from skillrl_train.errors import CheckpointError, TokenizerError

_PROBE_FILE = "tokenizer_probe.json"
_PROBE = "task : put a clean mug 1 in shelf 2 . <think> I go , then look . </think> 42"


def save_checkpoint(path: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write the model to `path`, complete or not at all."""
    part = path.with_name(f"{path.name}.part")
    with full_disk_is_an_error():
        model.save_pretrained(part)
        tokenizer.save_pretrained(part)
    (part / _PROBE_FILE).write_text(json.dumps(tokenizer(_PROBE)["input_ids"]))
    part.rename(path)


@contextmanager
def full_disk_is_an_error() -> Iterator[None]:
    """Give failed writes of the libraries below one type.

    Raises:
        CheckpointError: the disk is full, or a file may not grow further.
    """
    try:
        yield
    except SafetensorError as err:
        raise CheckpointError(f"cannot write a checkpoint: {err}") from err
    except RuntimeError as err:
        if "PytorchStreamWriter" not in str(err):
            raise
        raise CheckpointError(f"cannot write a checkpoint: {str(err).splitlines()[0]}") from err


def load_model(path: str | Path) -> PreTrainedModel:
    """Load a model from a directory or, by name, from a model hub.

    Raises:
        CheckpointError: nothing loadable there.
    """
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(path)
    except (OSError, ValueError) as err:
        raise CheckpointError(f"cannot load a model from {path}: {err}") from err
    return model.eval()


def load_tokenizer(path: str | Path) -> PreTrainedTokenizerBase:
    """Load a tokenizer as it was saved.

    Raises:
        CheckpointError: nothing loadable there.
        TokenizerError: it loads, but reads the saved probe sentence differently.
    """
    try:
        tokenizer = _tokenizer_class(Path(path)).from_pretrained(path)
    except (OSError, ValueError) as err:
        raise CheckpointError(f"cannot load a tokenizer from {path}: {err}") from err
    probe = Path(path) / _PROBE_FILE
    if probe.exists() and tokenizer(_PROBE)["input_ids"] != json.loads(probe.read_text()):
        raise TokenizerError(
            f"the tokenizer in {path} loads as {type(tokenizer).__name__} and tokenizes "
            "differently from when it was saved"
        )
    return tokenizer


def _tokenizer_class(path: Path) -> Any:  # noqa: ANN401  # only from_pretrained in common
    config = path / "tokenizer_config.json"
    if not config.exists():
        return AutoTokenizer
    named = json.loads(config.read_text()).get("tokenizer_class")
    generic = named in {"PreTrainedTokenizerFast", "TokenizersBackend"}
    return PreTrainedTokenizerFast if generic else AutoTokenizer
