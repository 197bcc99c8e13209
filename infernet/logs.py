"""Structured logs in which no secret can appear."""
