"""Fixtures that every folder of tests may use."""

import hashlib
import os
import signal
import tarfile
import tempfile
from pathlib import Path

import pytest

# No test may look for a model or a price list on the network. Set before anything is imported
# that reads it once, the plugins below included.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

pytest_plugins = ["tests.fix_bank", "tests.fix_server", "tests.skillbank.fix_embedders"]

_ROOT = Path(__file__).resolve().parent.parent


def pytest_configure() -> None:
    # A shell starts what it runs in the background with Ctrl-C ignored, and children inherit
    # that; a handler of our own they do not, so that tests which press it are heard.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets, or a skip that says where it was looked for."""
    named = os.environ.get("SKILLRL_DATA")
    folder = Path(named) if named else _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data: SKILLRL_DATA is not set and {folder.name} is not beside it")
    return folder


@pytest.fixture(scope="session")
def alfworld_data(real_data: Path) -> Path:
    """The directory that contains json_2.1.1, unpacked once into a cache."""
    archive = real_data / "alfworld" / "json_2.1.1.tar.xz"
    if not archive.exists():
        pytest.skip(f"no {archive.name} in the real data")
    stamp = f"{archive.stat().st_size}-{archive.stat().st_mtime_ns}"
    name = hashlib.sha256(stamp.encode()).hexdigest()[:12]
    cache = Path(tempfile.gettempdir()) / f"skillrl-test-data-{os.getuid()}" / name
    if not (cache / "json_2.1.1").is_dir():
        cache.parent.mkdir(mode=0o700, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=cache.parent))
        with tarfile.open(archive) as tar:
            tar.extractall(part / "json_2.1.1", filter="data")
        try:
            part.rename(cache)
        except OSError:  # another test process was faster
            if not (cache / "json_2.1.1").is_dir():
                raise
    return cache
