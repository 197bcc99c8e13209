"""Encrypted keystores and where their passphrases come from."""
