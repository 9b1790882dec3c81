"""The command line as processes: interruptions, pipes, what is loaded."""

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from tests.fix_embedded import wait_for

from skillbank import Provenance, SkillBank, SkillDraft
from skillbank.embedded.server import APP_ROLE, EmbeddedServer
from skillbank.embedders import HashingEmbedder
from skillbank.errors import EmbeddingError
from skillbank.plan import Plan
from skillbank.store import Writer
from skillbank.writing import Subject

COMMAND = [sys.executable, "-W", "error", "-m", "skillbank.cli"]


def drafts(count: int) -> list[SkillDraft]:
    return [
        SkillDraft(
            title=f"Skill {number}",
            principle=f"Turn {number} times.",
            when_to_apply="Always.",
            kind="general",
            provenance=Provenance(source="manual"),
        )
        for number in range(count)
    ]


@pytest.fixture
def bank_options(embedded_directory: Path, embedded_bank: SkillBank) -> list[str]:
    return ["--bank", str(embedded_directory), "--name", embedded_bank.name]


@contextmanager
def started(
    arguments: list[str], environment: dict[str, str], stderr: int = subprocess.PIPE
) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        with process:
            yield process
    finally:
        process.kill()


def test_ctrl_c_ends_a_reembedding_which_the_next_call_finishes(
    embedded_directory: Path,
    embedded_bank: SkillBank,
    bank_options: list[str],
    bank_environment: dict[str, str],
) -> None:
    embedded_bank.add(drafts(1500))
    command = ["reembed", *bank_options, "--embedder", "hashing:8"]
    terminal, end = pty.openpty()
    with started([*command, "--batch-size", "1"], bank_environment, stderr=end) as process:
        os.close(end)
        seen = os.read(terminal, 200)
        assert seen.startswith(b"\rembedding [")
        process.send_signal(signal.SIGINT)
        while part := read_all(terminal):
            seen += part
        assert process.wait() == 130
    os.close(terminal)
    assert b"skillbank: interrupted" in seen
    assert b"Traceback" not in seen
    with SkillBank.open(
        embedded_directory, name=embedded_bank.name, embedder=HashingEmbedder(8)
    ) as bank:
        with pytest.raises(EmbeddingError, match="no skill of this bank has a vector"):
            bank.search("turn")
    done = subprocess.run(
        [*COMMAND, *command, "--json"], env=bank_environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert 0 < json.loads(done.stdout)["embedded"] < 1500


def read_all(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_ctrl_c_ends_an_import_that_then_changed_nothing(
    embedded_directory: Path,
    embedded_bank: SkillBank,
    bank_options: list[str],
    bank_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "bank.jsonl"
    file.write_text(
        "".join(
            json.dumps(
                {
                    "schema": "SkillDraft",
                    "schema_version": 2,
                    "title": draft.title,
                    "principle": draft.principle,
                    "when_to_apply": draft.when_to_apply,
                    "kind": "general",
                    "provenance": {"source": "manual"},
                }
            )
            + "\n"
            for draft in drafts(200)
        )
    )
    held, release = threading.Event(), threading.Event()

    def keep_lock(plan: Plan, writer: Writer) -> None:
        held.set()
        release.wait(60)

    def hold() -> None:
        with SkillBank.open(embedded_directory, name=embedded_bank.name) as bank:
            bank.decide(Subject(), keep_lock)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        assert held.wait(60)
        with started(["import", *bank_options, str(file)], bank_environment) as process:
            # It has read the file and stands before the bank's write lock.
            assert wait_for(lambda: somebody_waits(embedded_directory), seconds=60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (130, "")
            assert err.startswith("skillbank: interrupted")
            assert err.count("\n") == 1
    finally:
        release.set()
        holder.join()
    assert (embedded_bank.revision, embedded_bank.skills(status=None)) == (0, [])
    done = subprocess.run(
        [*COMMAND, "import", *bank_options, str(file)],
        env=bank_environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert len(embedded_bank.skills()) == 200


def somebody_waits(directory: Path) -> bool:
    server = EmbeddedServer.open(directory)
    try:
        with psycopg.connect(server.conninfo(APP_ROLE)) as connection:
            found = connection.execute(
                "select count(*) from pg_locks where locktype = 'advisory' and not granted"
            ).fetchone()
            return found is not None and found[0] > 0
    finally:
        server.close()


def test_an_output_that_nobody_reads_on_ends_quietly(
    embedded_bank: SkillBank, bank_options: list[str], bank_environment: dict[str, str]
) -> None:
    embedded_bank.add(drafts(1))
    with started(["export", *bank_options], bank_environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_a_wrong_input_is_one_line_and_no_traceback(
    embedded_bank: SkillBank,
    bank_options: list[str],
    bank_environment: dict[str, str],
    tmp_path: Path,
) -> None:
    embedded_bank.add(drafts(1))
    (tmp_path / "bad.jsonl").write_text('{"schema": "Skill"}\n')
    for arguments, code in [
        (["import", str(tmp_path / "bad.jsonl")], 1),
        (["import", str(tmp_path / "missing.json")], 1),
        (["search", ""], 1),
        (["show", "12345"], 1),
        (["nonsense"], 2),
    ]:
        done = subprocess.run(
            [*COMMAND, *bank_options, *arguments],
            env=bank_environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert "Traceback" not in done.stderr
        if code == 1:
            assert done.stderr.startswith("skillbank: ")
            assert done.stderr.count("\n") == 1


def test_another_encoding_replaces_letters_and_does_not_crash(
    embedded_bank: SkillBank, bank_options: list[str], bank_environment: dict[str, str]
) -> None:
    (draft,) = drafts(1)
    embedded_bank.add([replace(draft, title="Kühlen im Kühlschrank")])
    ascii_only = {**bank_environment, "PYTHONIOENCODING": "ascii"}
    told = subprocess.run(
        [*COMMAND, "list", *bank_options], env=ascii_only, capture_output=True, text=True
    )
    assert (told.returncode, told.stdout.splitlines()[1].split()[4:]) == (
        0,
        ["K?hlen", "im", "K?hlschrank"],
    )
    exact = subprocess.run(
        [*COMMAND, "export", *bank_options], env=ascii_only, capture_output=True, text=True
    )
    assert json.loads(exact.stdout)["title"] == "Kühlen im Kühlschrank"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom skillbank.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "heavy = {'psycopg', 'psycopg_pool', 'numpy', 'pydantic', 'onnxruntime', 'torch'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"
