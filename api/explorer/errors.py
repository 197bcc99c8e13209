"""Errors of the explorer.

GatewayError
├── NoSuchPage       nothing on this chain is called so
├── InvalidQuery     an address or a search that no page can answer
└── TooManyReaders   no more pages can be kept up to date at once
"""

from __future__ import annotations

from ..errors import GatewayError


class NoSuchPage(GatewayError):
    """An id, address or name means nothing here."""


class InvalidQuery(GatewayError):
    """What was asked for is not an id, an address or a name."""


class TooManyReaders(GatewayError):
    """As many pages are open as the gateway serves."""
