"""The house rules that no linter knows: sizes, layout, what an import may load."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULE_LINES, FUNCTION_LINES = 400, 60
BANNED_NAMES = {"utils", "util", "common", "helpers", "misc", "base", "manager"}
PACKAGES = ("skillbank", "skillrl_envs", "skillrl_distiller", "skillrl_train", "skillrl_app")


def modules() -> list[Path]:
    found = [*ROOT.glob("packages/*/src/**/*.py"), *ROOT.glob("apps/*/src/**/*.py")]
    assert len(found) > 50
    return found


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_modules_and_functions_keep_their_size() -> None:
    too_long = []
    for path in modules():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            too_long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for name, length in functions(path):
            if length > FUNCTION_LINES:
                too_long.append(f"{path.relative_to(ROOT)} {name}: {length} lines")
    assert too_long == []


def test_no_module_is_a_drawer() -> None:
    assert [str(p.relative_to(ROOT)) for p in modules() if p.stem in BANNED_NAMES] == []


def test_every_package_is_typed_and_says_what_it_is() -> None:
    for project in [*ROOT.glob("packages/*"), *ROOT.glob("apps/*")]:
        readme = (project / "README.md").read_text(encoding="utf-8")
        paragraphs = [p for p in readme.split("\n\n") if p.strip()]
        assert len(paragraphs) >= 3, f"{project.name}: README without a second paragraph"
        assert list((project / "src").glob("*/py.typed")), f"{project.name}: no py.typed"


def test_versions_go_in_lockstep() -> None:
    versions = set()
    for path in [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("apps/*/pyproject.toml")]:
        versions.add(tomllib.loads(path.read_text())["project"]["version"])
    assert len(versions) == 1


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    loose = []
    for path in [*ROOT.glob("packages/*/pyproject.toml"), *ROOT.glob("apps/*/pyproject.toml")]:
        for needed in tomllib.loads(path.read_text())["project"]["dependencies"]:
            if ">=" not in needed or "<" not in needed:
                loose.append(f"{path.parent.name}: {needed}")
    assert loose == []


def loaded_by(package: str) -> set[str]:
    """Return the top-level modules that an import loads."""
    code = (
        f"import sys, json, {package};"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("skillbank", {"torch", "transformers", "litellm", "openai", "psycopg", "numpy"}),
        ("skillrl_envs", {"torch", "transformers", "litellm", "psycopg", "pydantic"}),
        ("skillrl_distiller", {"torch", "transformers", "litellm", "openai", "psycopg"}),
        ("skillrl_train", {"torch", "litellm", "openai", "psycopg"}),
        ("skillrl_app.cli", {"torch", "transformers", "litellm", "psycopg"}),
    ],
)
def test_an_import_loads_nothing_heavy(package: str, forbidden: set[str]) -> None:
    assert loaded_by(package) & forbidden == set()


def test_what_is_exported_is_sorted_and_exists() -> None:
    for package in PACKAGES:
        module = __import__(package)
        exported = getattr(module, "__all__", None)
        if exported is not None:
            assert list(exported) == sorted(exported), package
            assert [name for name in exported if not hasattr(module, name)] == []


def test_tracked_files_name_no_registry_and_no_machine() -> None:
    done = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    words = ["pypi" + ".org", "python" + "hosted", "registry." + "npmjs", "deb." + "debian.org"]
    guilty = []
    for name in filter(None, done.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            guilty += [f"{name}: {word}" for word in words if word in text]
    assert guilty == []
    assert "uv.lock" not in done.stdout.split("\0")
