"""The run directory: everything a run leaves behind, written by one process at a time.

config.yaml       the resolved configuration (written once, at creation)
manifest.json     format version, run id, when and with which versions it was created
lock              held while a process works on the run
journal.jsonl     finished units of work                       (journal.py)
trajectories/     one JSONL file per unit that played          (play.py)
teacher.jsonl     every call to the teacher, replayable        (skillrl_distiller)
bank/             the skill bank                               (skillbank)
checkpoints/      models, each with the bank revision it plays with
metrics.jsonl     one record per RL iteration                  (stages/reinforce.py)
ledger.jsonl      what was consumed                            (ledger.py)
report.html       rebuilt after every stage                    (reporting.py)
"""

import fcntl
import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from skillrl_app.config import RunConfig, dump_config, load_config
from skillrl_app.errors import RunError, UsageError

FORMAT = 1
"""Rises when a release can no longer continue the runs of the one before."""

_PACKAGES = ("skillbank", "skillrl-envs", "skillrl-distiller", "skillrl-train", "skillrl-app",
             "torch", "transformers", "trl")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifest:
    """What identifies a run."""

    run_id: str
    created: str
    """ISO 8601, UTC."""
    versions: Mapping[str, str]


class RunDirectory:
    """An open run. Use `create_or_resume` or `open_existing`, as a context manager."""

    def __init__(self, path: Path, config: RunConfig, manifest: Manifest, lock: TextIO) -> None:
        self.path, self.config, self.manifest = path, config, manifest
        self._lock = lock

    @classmethod
    def create_or_resume(cls, path: Path, config: RunConfig) -> Self:
        """Open the run at `path`, starting it if there is none.

        Raises:
            UsageError: `path` is not a run, or a run with another configuration.
            RunError: another process works on it, or it has another format.
        """
        _check_is_ours(path)
        path.mkdir(parents=True, exist_ok=True)
        lock = _lock(path)
        try:
            if not (path / "manifest.json").exists():
                _create(path, config)
            run = cls(path, config, _read_manifest(path), lock)
            stored = load_config(path / "config.yaml")
            # Where the games lie may change between sittings; which they are may not.
            if replace(stored, env=replace(stored.env, data=config.env.data)) != config:
                raise UsageError(
                    f"{path} is a run with another configuration "
                    f"({_differences(stored, config)}); give another --run directory, or the "
                    "same settings"
                )
        except BaseException:
            lock.close()
            raise
        return run

    @classmethod
    def open_existing(cls, path: Path) -> Self:
        """Open the run at `path` and lock it.

        Raises:
            UsageError: there is no run.
            RunError: another process works on it, or it has another format.
        """
        manifest = _read_manifest(path)
        lock = _lock(path)
        try:
            return cls(path, load_config(path / "config.yaml"), manifest, lock)
        except BaseException:
            lock.close()
            raise

    def trajectories(self, unit: str) -> Path:
        """Return the file that holds the episodes a unit of work played."""
        return self.path / "trajectories" / f"{unit}.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Return the folder of models."""
        return self.path / "checkpoints"

    def checkpoint(self, name: str) -> Path:
        """Return the directory of a finished model."""
        return self.checkpoints / name

    def close(self) -> None:
        """Release the lock; closing twice is harmless."""
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` with `text`; a reader sees the old content or the new, never a part."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _lock(path: Path) -> TextIO:
    lock = (path / "lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise RunError(f"{path} is in use by process {holder}; wait for it, or end it") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _check_is_ours(path: Path) -> None:
    """Refuse a place that holds something else; an unfinished creation is ours."""
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is a file; a run needs a directory")
    if not path.exists() or (path / "manifest.json").exists():
        return
    ours = {"config.yaml", ".config.yaml.part", ".manifest.json.part", "lock"}
    foreign = sorted(found.name for found in path.iterdir() if found.name not in ours)
    if foreign:
        raise UsageError(f"{path} is not empty and no run (it holds {', '.join(foreign[:3])})")


def _create(path: Path, config: RunConfig) -> None:
    write_atomically(path / "config.yaml", dump_config(config))
    manifest = {
        "format": FORMAT,
        "run_id": uuid.uuid4().hex[:12],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {name: version(name) for name in _PACKAGES},
    }
    write_atomically(path / "manifest.json", json.dumps(manifest, indent=2) + "\n")


def _read_manifest(path: Path) -> Manifest:
    try:
        content = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path} is no run directory: it has no manifest.json") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise UsageError(f"{path}/manifest.json cannot be read: {err}") from err
    match content:
        case {"format": int(number)} if number != FORMAT:
            raise RunError(
                f"{path} was written in run format {number}; this release continues format {FORMAT}"
            )
        case {
            "format": int(),
            "run_id": str(run_id),
            "created": str(created),
            "versions": dict(versions),
        }:
            return Manifest(run_id, created, versions)
    raise UsageError(f"{path}/manifest.json is no run manifest")


def _differences(old: RunConfig, new: RunConfig) -> str:
    before, after = dump_config(old).splitlines(), dump_config(new).splitlines()
    changed = [
        f"{a.strip()} there, {b.strip()} here"
        for a, b in zip(before, after, strict=False)
        if a != b
    ]
    return "; ".join(changed[:3]) or "other keys"
