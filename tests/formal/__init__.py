"""Theorems about the arithmetic of the shipped contracts (docs/security/formal.md)."""
