"""The published conformance vectors; their format is in the README beside them."""
