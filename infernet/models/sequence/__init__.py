"""Sequence models: float weights to integer parts, integer parts to programs."""
