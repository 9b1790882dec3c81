"""Turns trajectories into skills with any teacher model."""
