"""The tamper matrix: named lies as data, told on real contracts, each with what becomes of it."""
