"""Gives these tests the real app."""

from tests.faults.fix_runs import app, reference

__all__ = ["app", "reference"]
