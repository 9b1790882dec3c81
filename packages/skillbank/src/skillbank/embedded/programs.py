"""Runs one program of Postgres to its end, as the server's account."""

import os
import signal
import subprocess
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from skillbank.embedded.account import Account
from skillbank.errors import ServerError

_GRACE_SECONDS = 10.0


def run(
    command: Sequence[str],
    account: Account | None,
    *,
    script: str = "",
    keep: Collection[int] = (),
) -> str:
    """Return what the program printed to its standard output.

    It gets a session of its own: a terminal's Ctrl-C reaches us alone, and we then end the
    program and everything it has started before we go on.

    Args:
        command: The program and its arguments.
        account: Whom to run it as; None for ourselves.
        script: Its standard input.
        keep: Open files, locks for instance, that it and its children hold as well.

    Raises:
        ServerError: it failed; the message quotes what it said last.
        OSError: it could not be started.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        cwd="/",
        env=environment(),
        user=None if account is None else account.user,
        group=None if account is None else account.group,
        extra_groups=None if account is None else [],
        umask=0o077,
        pass_fds=tuple(keep),
        start_new_session=True,
    )
    try:
        printed, complaint = process.communicate(script)
    except BaseException:
        _end_all(process)
        raise
    if process.returncode != 0:
        said = "\n".join((printed + complaint).strip().splitlines()[-10:])
        name = Path(command[0]).name
        raise ServerError(f"{name} ended with {process.returncode}:\n{said}")
    return printed


def _end_all(process: "subprocess.Popen[str]") -> None:
    # Asked to end, Postgres gives back its shared memory, which would outlive it otherwise.
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_GRACE_SECONDS)  # until the last has closed its pipe
            return


def environment() -> dict[str, str]:
    """Return the environment for Postgres programs: nothing of ours leaks into them."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
