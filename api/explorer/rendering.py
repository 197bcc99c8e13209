"""A page or its JSON twin from one record."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from hashlib import sha256
from importlib import resources
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from infernet.chain.records import Seconds, Wei
from infernet.chain.wallet import in_ether

from .drawings import dispute, network, player, task

ROOT = "/explorer"
# Nothing but this gateway's own files, and no code or style inside a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_SHORT = 10
_MOST_DECIMALS, _LEAST_DIGITS = 4, 3


def _read_static() -> dict[str, bytes]:
    folder = resources.files(__package__) / "static"
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()}


STATIC = _read_static()


def static_file(name: str) -> Response | None:
    """Return a file of the pages, for good: its URL names its content; None for any other name."""
    if name not in STATIC:
        return None
    headers = {**HEADERS, "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(STATIC[name], media_type=_TYPES[name.rsplit(".", 1)[1]], headers=headers)


def render(
    request: Request, template: str, page: object, now: Seconds, live: str = "", status: int = 200
) -> Response:
    """Return a record as a page, or as JSON where the request asks for that.

    `live`: the name under which changes of the page are told, empty where it never changes.
    """
    headers = {**HEADERS, "Cache-Control": "no-cache", "Vary": "Accept"}
    if wants_json(request):
        return JSONResponse(plain(page), status, headers)
    path = request.url.path.rstrip("/")
    twin = f"{path if path != ROOT else ROOT + '/overview'}.json"
    if request.url.query:
        twin += f"?{request.url.query}"
    text = _PAGES.get_template(template).render(page=page, now=now, live=live, twin=twin)
    return HTMLResponse(text, status, headers)


def wants_json(request: Request) -> bool:
    """Return whether the twin is asked for, by `.json` or by the Accept header."""
    accepted = request.headers.get("accept", "")
    return request.url.path.endswith(".json") or (
        "application/json" in accepted and "text/html" not in accepted
    )


def problem(request: Request, status: int, title: str, detail: str) -> Response:
    """Return what went wrong as a page, or as a problem document (RFC 9457)."""
    if wants_json(request):
        content = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        return JSONResponse(content, status, HEADERS, media_type="application/problem+json")
    return still("error.html", status, title=title, detail=detail)


def still(template: str, status: int = 200, **values: object) -> Response:
    """Return a page that shows nothing of the chain, from values of its own."""
    text = _PAGES.get_template(template).render(
        {**values, "status": status}, live="", twin="", page=None, now=Seconds(0)
    )
    return HTMLResponse(text, status, HEADERS)


def plain(value: Any, name: str = "") -> Any:
    """Return a record in JSON types: bytes as hexadecimal digits, amounts in wei as text."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name), f.name) for f in fields(value)}
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [plain(each, name) for each in value]
    # Readers of JSON keep whole numbers up to 2^53 only.
    return str(value) if name.endswith("_wei") else value


def _hex(value: bytes) -> str:
    return f"0x{value.hex()}"


def _short(value: bytes | str) -> str:
    """Return an id's first and last digits."""
    text = value if isinstance(value, str) else _hex(value)
    return f"{text[:_SHORT]}…{text[-4:]}"


def _ether(amount: int) -> Markup:
    """Return an amount with few digits; the pointer and the twin show all of them."""
    exact = in_ether(Wei(amount))
    if len(exact.partition(".")[2]) <= _MOST_DECIMALS + len(" ETH"):
        return escape(exact)
    value = Decimal(amount) / 10**18
    places = max(_MOST_DECIMALS, _LEAST_DIGITS - 1 - value.adjusted())
    rounded = f"{round(value, min(places, 18)):f}".rstrip("0")
    return Markup('<span title="{}">{} ETH</span>').format(exact, rounded)


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _clock(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _relative(time: int, now: int) -> str:
    """Return how far a time is from now; the script in the page goes on counting."""
    words = dispute.in_time(abs(now - time)).split(" ")
    return f"in {' '.join(words[:2])}" if time > now else f"{' '.join(words[:2])} ago"


def _static_url(name: str) -> str:
    return f"{ROOT}/static/{name}?{sha256(STATIC[name]).hexdigest()[:12]}"


def _environment() -> Environment:
    found = Environment(
        loader=PackageLoader("api.explorer"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "hex": _hex,
        "short": _short,
        "iso": _iso,
        "clock": _clock,
        "duration": dispute.in_time,
        "ether": _ether,
        "score": lambda score: f"{score:.2f}",
        "n": lambda number: f"{number:,}",
    }
    found.globals |= {
        "root": ROOT,
        "static": _static_url,
        "relative": _relative,
        "dispute": dispute,
        "network": network,
        "drawn": task,
        "player": player,
    }
    return found


_PAGES = _environment()
