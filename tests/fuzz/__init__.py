"""Hostile bytes for every decoder that the project has; docs/security/fuzzing.md."""
