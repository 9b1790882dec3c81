"""Ids of banks and skills.

A skill's id is a UUID (version 8, RFC 9562) whose first 48 bits count the skills of
its bank, so that sorting by id is sorting by age, on every store.
"""

import hashlib
import uuid


def new_bank_id() -> str:
    """Return a fresh random id."""
    return str(uuid.uuid4())


def skill_id(bank_id: str, ordinal: int) -> str:
    """Return the id of the bank's `ordinal`-th skill, 0-based."""
    digest = hashlib.sha256(f"{bank_id}/{ordinal}".encode()).digest()
    value = ordinal << 80 | int.from_bytes(digest[:10], "big")
    version, variant = 0xF << 76, 0x3 << 62
    return str(uuid.UUID(int=value & ~version & ~variant | 0x8 << 76 | 0x2 << 62))


def is_id(text: str) -> bool:
    """Tell whether `text` is written the way ids are written here."""
    try:
        return str(uuid.UUID(text)) == text
    except (ValueError, AttributeError, TypeError):
        return False
