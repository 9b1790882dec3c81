"""Seeds: every random choice of a run follows from its one seed and what it is for."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return 63 bits that depend on the seed and the purpose, and on nothing else."""
    text = "/".join(map(str, (seed, *purpose)))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
