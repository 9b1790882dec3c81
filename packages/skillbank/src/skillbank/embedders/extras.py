"""What to tell someone who asks for an embedder whose packages are not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from skillbank.errors import EmbeddingError


@contextmanager
def needed_from(extra: str) -> Iterator[None]:
    """Turn a failed import inside the block into the command that mends it.

    Raises:
        EmbeddingError: a module was not found.
    """
    try:
        yield
    except ModuleNotFoundError as err:
        raise missing(extra, err.name or str(err)) from err


def missing(extra: str, module: str) -> EmbeddingError:
    """Return the error for a module that `extra` would have brought."""
    return EmbeddingError(
        f"this embedder needs the module {module!r}: pip install 'skillbank[{extra}]'"
    )
