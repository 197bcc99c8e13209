"""Addresses: from HTTP to the gateway and back, and nothing besides."""
