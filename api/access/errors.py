"""Errors of access; each AccessError is an answer, given before anything was done.

GatewayError
├── UnknownKey            an id names no key of this gateway; on the command line
└── AccessError
    ├── Unauthenticated   no key, or none that is good; 401
    ├── Forbidden         the key lacks the scope that the route needs; 403
    ├── BadForm           a page's form was not filled in where this gateway showed it; 403
    ├── TooManyRequests   the key's or address's rate is used up for now; 429
    ├── BadHeaders        headers that two readers could understand differently; 400
    ├── HeadersTooLarge   more headers, or longer ones, than are read; 431
    ├── BodyTooLarge      more bytes than are read; 413
    ├── TooSlow           the body did not come within its time; 408
    ├── EncodingRefused   the body is compressed; 415
    └── TooBusy           bodies of others fill the memory that is meant for them; 503
"""

from __future__ import annotations

from typing import ClassVar

from ..errors import GatewayError


class AccessError(GatewayError):
    """Root of what access raises.

    `problem`: names the answer in the table of problems; `headers`: that the answer carries.
    """

    problem: ClassVar[str] = "access"
    status: ClassVar[int] = 400

    def __init__(self, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.headers = headers or {}


class Unauthenticated(AccessError):
    """Nobody is known to ask. `was_shown`: a key came, but it is not good."""

    problem, status = "unauthenticated", 401

    def __init__(self, message: str, *, was_shown: bool = False) -> None:
        # RFC 6750, section 3: whoever shows no key is told no error.
        error = ', error="invalid_token"' if was_shown else ""
        super().__init__(message, {"WWW-Authenticate": f'Bearer realm="infernet"{error}'})


class Forbidden(AccessError):
    """The key is good, but not for this. `scope`: what it lacks."""

    problem, status = "forbidden", 403

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer realm="infernet", error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"this key lacks the scope {scope}; use one that has it, or have the gateway's "
            "operator make one",
            {"WWW-Authenticate": challenge},
        )
        self.scope = scope


class BadForm(AccessError):
    """A form came from elsewhere, too late or twice."""

    problem, status = "bad-form", 403


class _Later(AccessError):
    """Refused for now. `wait_seconds`: after which it may be asked again."""

    def __init__(self, message: str, wait_seconds: int) -> None:
        super().__init__(message, {"Retry-After": str(wait_seconds)})
        self.wait_seconds = wait_seconds


class TooManyRequests(_Later):
    """More requests came than the rate allows."""

    problem, status = "too-many-requests", 429


class BadHeaders(AccessError):
    """A request whose length or sender depends on who reads it."""

    problem, status = "bad-headers", 400


class HeadersTooLarge(AccessError):
    """Headers over the limit."""

    problem, status = "headers-too-large", 431


class BodyTooLarge(AccessError):
    """A body over the limit."""

    problem, status = "body-too-large", 413


class TooSlow(AccessError):
    """A body that trickles."""

    problem, status = "too-slow", 408


class EncodingRefused(AccessError):
    """A body that would have to be decompressed."""

    problem, status = "encoding-refused", 415


class TooBusy(_Later):
    """No memory is left for another body."""

    problem, status = "too-busy", 503


class UnknownKey(GatewayError):
    """There is no key of that id."""
