"""Errors of skillrl_train.

TrainError
├── CheckpointError    (ValueError)   a directory that holds no usable model
├── TokenizerError     (ValueError)   a tokenizer that does not give back what it was given
├── RowError           (ValueError)   trajectories that cannot be trained on
└── NothingToLearn     (RuntimeError) training was asked for without a single example
"""


class TrainError(Exception):
    """Base of every error raised on purpose by skillrl_train."""


class CheckpointError(TrainError, ValueError):
    """A directory does not hold a model and tokenizer that belong together."""


class TokenizerError(TrainError, ValueError):
    """A loaded tokenizer does not reproduce the text it was saved with."""


class RowError(TrainError, ValueError):
    """A trajectory lacks the tokens or log-probabilities that training needs."""


class NothingToLearn(TrainError, RuntimeError):
    """There is not one example to train on."""
