"""Gate: what new text passes on its way into a bank, and queries on their way to it."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from skillbank.embedding import Embedder, document_text, document_vectors, query_vectors
from skillbank.errors import EmbeddingError
from skillbank.screen import Screen, reason_of
from skillbank.skill import SkillDraft
from skillbank.store import Space

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_PROBE = "Put the clean mug next to the lamp, then close the drawer."
_SAME = 0.98
"""Least cosine between two embeddings of the probe by one model: half precision and
8-bit arithmetic cost less than a hundredth, another model everything."""


class Gate:
    """A screen and an embedder, either of which may be missing."""

    def __init__(self, screen: Screen | None, embedder: Embedder | None) -> None:
        """Keep both."""
        self._screen = screen
        self.embedder = embedder

    @cached_property
    def space(self) -> Space | None:
        """The vector space of the embedder, found out on first use."""
        if self.embedder is None:
            return None
        probe = document_vectors(self.embedder, [_PROBE])[0]
        return Space(model=self.embedder.model, probe=probe)

    def suspicions(self, drafts: Mapping[str, SkillDraft]) -> dict[str, str]:
        """Return digest -> reason for the drafts, by digest, that the screen stops."""
        if self._screen is None:
            return {}
        found = ((digest, self._screen(draft)) for digest, draft in drafts.items())
        return {digest: reason_of(why) for digest, why in found if why}

    def document_vectors(
        self, drafts: Mapping[str, SkillDraft]
    ) -> Mapping[str, "NDArray[np.float32]"]:
        """Return digest -> vector, shape (dimensions,); empty without an embedder."""
        if self.embedder is None or not drafts:
            return {}
        texts = [document_text(draft) for draft in drafts.values()]
        return dict(zip(drafts, document_vectors(self.embedder, texts), strict=True))

    def query_vectors(self, queries: Sequence[str]) -> "NDArray[np.float32]":
        """Return the queries' vectors, shape (len(queries), dimensions).

        Raises:
            EmbeddingError: there is no embedder.
        """
        if self.embedder is None:
            raise EmbeddingError(
                "this mode compares vectors; open the bank with embedder=..., or use mode 'text'"
            )
        return query_vectors(self.embedder, queries)


def require_same_space(ours: Space | None, banks: Space) -> None:
    """Do nothing if both are one vector space.

    Raises:
        EmbeddingError: the models differ, or share only their name.
    """
    model = banks.model
    if ours is None:
        raise EmbeddingError(
            f"the skills of this bank have vectors of {model.name!r} ({model.dimensions} "
            "dimensions); open it with that embedder"
        )
    if ours.model != model:
        raise EmbeddingError(
            f"this bank's vectors are of {model.name!r} ({model.dimensions} dimensions), the "
            f"embedder is {ours.model.name!r} ({ours.model.dimensions}); open the bank with the "
            "former, or change over with reembed()"
        )
    alike = float(ours.probe @ banks.probe)
    if not alike >= _SAME:
        raise EmbeddingError(
            f"the embedder calls itself {model.name!r} as the bank's does, but embeds a known "
            f"sentence differently (cosine {alike:.3f}, at least {_SAME} was expected); its "
            "weights or settings have changed: name it differently and change over with reembed()"
        )


def checked_vector(
    vector: "NDArray[np.float32] | None", banks: Space, ours: Space | None
) -> "NDArray[np.float32]":
    """Return a query's vector, shape (dimensions,), if it is of the bank's space.

    Raises:
        EmbeddingError: it has another length, or is known to be of another space.
    """
    if ours is not None:
        require_same_space(ours, banks)
    shape = None if vector is None else vector.shape
    if vector is None or shape != (banks.model.dimensions,):
        raise EmbeddingError(
            f"the query's vector has shape {shape}, the bank's model {banks.model.name!r} makes "
            f"({banks.model.dimensions},)"
        )
    return vector


def no_space(revision: int) -> str:
    """Say that a bank has no vectors, and what to do."""
    return (
        f"no skill of this bank has a vector at revision {revision}; add skills with an embedder, "
        "or give those it has vectors with reembed()"
    )
