"""What both clients need to send with httpx."""

from __future__ import annotations

import httpx

from .errors import Unreachable, Unreadable
from .reading import Reply

# For each of connecting, sending and reading on.
SECONDS = 20.0
_MOST_BYTES = 2**26


class Collected:
    """An answer's body, piece by piece and not without end."""

    def __init__(self, answer: httpx.Response) -> None:
        self._answer = answer
        self._body = bytearray()

    def add(self, chunk: bytes) -> None:
        """Take a piece, or raise Unreadable."""
        self._body += chunk
        if len(self._body) > _MOST_BYTES:
            raise Unreadable(f"the answer has more than {_MOST_BYTES} bytes; check the URL")

    def reply(self) -> Reply:
        """Return the whole."""
        return Reply(self._answer.status_code, dict(self._answer.headers), bytes(self._body))


def unreachable(url: str, error: Exception) -> Unreachable:
    """Return why no answer came, without what was sent."""
    return Unreachable(f"{url} does not answer ({type(error).__name__}); is the gateway running?")
