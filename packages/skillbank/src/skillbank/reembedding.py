"""Changing a bank over to another vector space, while it is in use.

The new vectors are written beside the old ones, a batch at a time, and nobody looks at
them until the last step, which under the write lock embeds what came meanwhile and makes
the new space the bank's as one revision. Earlier revisions keep the space they had.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from skillbank.changes import SkillRef
from skillbank.embedding import Embedder, document_text, document_vectors
from skillbank.errors import EmbeddingError, InvalidQuery
from skillbank.gate import Gate, require_same_space
from skillbank.skill import Skill
from skillbank.store import SkillStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""(versions done, versions in all)."""

_EVERYTHING = 10_000_000


def reembed(store: SkillStore, gate: Gate, progress: Progress | None, batch_size: int) -> int:
    """Embed every version that lacks a vector, then use the space; return how many.

    Raises:
        EmbeddingError: the gate has no embedder, or a space of its name differs from it.
        InvalidQuery: `batch_size` is not positive.
    """
    if gate.embedder is None or gate.space is None:
        raise EmbeddingError("to re-embed a bank, open it with the new embedder")
    if batch_size < 1:
        raise InvalidQuery(f"batch_size must be at least 1, got {batch_size}")
    space, done = gate.space, 0
    with store.writing() as writer:
        require_same_space(space, writer.register(space))
        total = len(writer.unembedded(space.model, _EVERYTHING))
    while True:
        with store.writing() as writer:
            todo = writer.unembedded(space.model, batch_size)
        if len(todo) < batch_size:
            break
        vectors = _vectors(gate.embedder, todo)  # outside the lock: the slow part
        with store.writing() as writer:
            writer.embed(space.model, vectors)
        done += len(todo)
        if progress is not None:
            progress(done, max(total, done))
    with store.writing() as writer:
        todo = writer.unembedded(space.model, _EVERYTHING)
        writer.embed(space.model, _vectors(gate.embedder, todo))
        used = writer.space()
        if used is None or used.model != space.model:
            writer.use(space.model, writer.revision + 1)
    done += len(todo)
    if progress is not None:
        progress(done, max(total, done))
    return done


def _vectors(embedder: Embedder, skills: Sequence[Skill]) -> dict[SkillRef, "NDArray[np.float32]"]:
    if not skills:
        return {}
    rows = document_vectors(embedder, [document_text(skill) for skill in skills])
    refs = [SkillRef(skill_id=skill.id, version=skill.version) for skill in skills]
    return dict(zip(refs, rows, strict=True))
