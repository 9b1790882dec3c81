"""What a rule reports."""

from collections.abc import Iterator
from typing import NamedTuple


class Sign(NamedTuple):
    """One reason against a text."""

    rule: str
    why: str
    """A clause with the field as its subject."""
    excerpt: str
    """As found: not yet safe to show."""


Signs = Iterator[Sign]
