"""Errors of the app, split by what the user can do about them.

AppError
├── UsageError   the call or the config is wrong: mend it and call again (exit 2)
└── RunError     the run cannot go on: the message says why (exit 1)
"""


class AppError(Exception):
    """Base of every error whose message is meant for the user as it stands."""

    exit_code = 1


class UsageError(AppError):
    """The command line or the configuration is wrong."""

    exit_code = 2


class RunError(AppError):
    """The run cannot continue."""
