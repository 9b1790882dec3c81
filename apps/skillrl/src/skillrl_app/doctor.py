"""`skillrl doctor`: what this machine can do, and what to do about what it cannot."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from skillrl_app.console import Console

_LEAST_FREE_GB = 2.0


def examine(console: Console) -> int:
    """Run every check, print one line each, return 1 if one that matters failed."""
    failed = 0
    for name, check in _CHECKS.items():
        try:
            text = check()
        except Exception as err:  # noqa: BLE001  # any failure of a check is its finding
            failed += 1
            console.say(f"  FAIL  {name:<12} {err}", style="red")
        else:
            console.say(f"  ok    {name:<12} {text}")
    return 1 if failed else 0


def _python() -> str:
    return f"{platform.python_version()} on {platform.system()} {platform.machine()}"


def _packages() -> str:
    names = ("skillbank", "skillrl-envs", "skillrl-distiller", "skillrl-train", "skillrl-app")
    return ", ".join(f"{name} {version(name)}" for name in names)


def _training() -> str:
    import torch
    from trl import GRPOTrainer  # noqa: F401  # whether the stack imports is the question

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU, CPU only"
    return f"torch {version('torch')}, trl {version('trl')}; {device}; {os.cpu_count()} cores"


def _database() -> str:
    from skillbank import SkillBank

    with tempfile.TemporaryDirectory(prefix="skillrl-doctor-") as folder:
        with SkillBank.open(Path(folder) / "bank") as bank:
            bank.skills()
    return "embedded Postgres starts and answers"


def _disk() -> str:
    free = shutil.disk_usage(Path.cwd()).free / 1e9
    if free < _LEAST_FREE_GB:
        raise RuntimeError(f"{free:.1f} GB free here; a run needs about {_LEAST_FREE_GB:.0f}")
    return f"{free:.0f} GB free in {Path.cwd()}"


def _games() -> str:
    data = os.environ.get("ALFWORLD_DATA")
    if data is None:
        return "ALFWORLD_DATA is not set: generated games only"
    from skillrl_envs.alfworld import official_tasks

    found = []
    for split in ("train", "valid_seen", "valid_unseen"):
        if (Path(data) / "json_2.1.1" / split).is_dir():
            found.append(f"{len(official_tasks(Path(data), split))} {split}")
    if not found:
        raise RuntimeError(f"ALFWORLD_DATA={data} has no json_2.1.1 with train or valid_seen")
    return f"official games: {', '.join(found)}"


def _terminal() -> str:
    return "interactive" if sys.stdout.isatty() else "not interactive: progress is not animated"


_CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "packages": _packages,
    "training": _training,
    "database": _database,
    "disk": _disk,
    "games": _games,
    "terminal": _terminal,
}
