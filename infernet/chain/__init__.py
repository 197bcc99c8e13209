"""Contracts as Python sees them, and the chains they stand on."""
