"""The dispute game as pure data and pure functions (spec: docs/spec/dispute.md)."""
