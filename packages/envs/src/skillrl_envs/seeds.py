"""Sampling seeds of requests."""

import hashlib


def request_seed(episode_seed: int, step: int) -> int:
    """Return the sampling seed of one request: 63 bits, unrelated between steps."""
    digest = hashlib.blake2b(f"{episode_seed}/{step}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1
