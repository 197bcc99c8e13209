"""Read answers: a JSON value becomes what its type says, or the answer is refused."""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .answers import TaskId, Wei
from .errors import (
    Answered,
    Busy,
    GatewayFault,
    NoResultYet,
    NotAllowed,
    NotThere,
    Problem,
    Refused,
    Unreadable,
)

T = TypeVar("T")

_ID = re.compile(r"0x[0-9a-f]{64}")
_WEI = re.compile(r"[0-9]{1,78}")
_SECONDS = re.compile(r"[0-9]{1,9}")
_BUSY = (429, 502, 503, 504)
_KINDS: Mapping[int, type[Refused]] = {
    401: NotAllowed,
    402: NotAllowed,
    403: NotAllowed,
    404: NotThere,
    409: NoResultYet,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came. `headers`: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read(kind: type[T], body: bytes) -> T:
    """Return an answer's body as a dataclass, or raise Unreadable."""
    found: T = value_of(kind, json_of(body), kind.__name__.lower())
    return found


def json_of(body: bytes) -> object:
    """Return JSON as Python has it, or raise Unreadable."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise Unreadable("the answer is not JSON; check the gateway's URL") from None


def value_of(kind: Any, found: object, where: str) -> Any:
    """Return a JSON value as a type; members that no type names are left alone."""
    if is_dataclass(kind):
        return _record(kind, found, where)
    if kind is Wei or kind is TaskId:
        return _text(kind, found, where)
    if kind is bytes:
        return _bytes(found, where)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _member(kind, found, where)
    arguments = get_args(kind)
    if get_origin(kind) is tuple:
        each = _exact(list, found, where)
        return tuple(value_of(arguments[0], one, f"{where}[{n}]") for n, one in enumerate(each))
    if get_origin(kind) is dict:
        return _exact(dict, found, where)
    if NoneType in arguments:
        return None if found is None else value_of(arguments[0], found, where)
    if kind is float and type(found) is int and abs(found) < 2**53:
        return float(found)
    return _exact(kind, found, where)


def problem_in(reply: Reply, wanted: int) -> Answered | None:
    """Return the error that an answer is, None if it is the wanted one.

    Raise Unreadable if it is neither.
    """
    if reply.status == wanted:
        return None
    if reply.status < 400:
        raise Unreadable(
            f"the address answers {reply.status} where a gateway answers {wanted}; check its URL"
        )
    problem = _problem(reply)
    if reply.status in _BUSY:
        return Busy(problem, _retry_after(reply))
    if reply.status >= 500:
        return GatewayFault(problem)
    return _KINDS.get(reply.status, Refused)(problem)


def _problem(reply: Reply) -> Problem:
    """Return what an answer says is wrong; what is no problem+json is told by its status alone."""
    bare = Problem("about:blank", "", reply.status, "it does not say why")
    try:
        found = json_of(reply.body)
    except Unreadable:
        return bare
    if not isinstance(found, dict):
        return bare
    texts = {
        name: found[name]
        for name in ("type", "title", "detail", "field")
        if isinstance(found.get(name), str)
    }
    return Problem(
        texts.get("type", bare.type),
        texts.get("title", bare.title),
        reply.status,
        texts.get("detail", bare.detail),
        texts.get("field"),
    )


def _retry_after(reply: Reply) -> float:
    text = reply.headers.get("retry-after", "")
    return float(text) if _SECONDS.fullmatch(text) else 0.0


def _record(kind: Any, found: object, where: str) -> Any:
    content, hints = _exact(dict, found, where), _hints(kind)
    values = {}
    for item in fields(kind):
        if item.name not in content:
            raise Unreadable(
                f"the answer lacks {where}.{item.name}; the gateway is another version"
            )
        values[item.name] = value_of(hints[item.name], content[item.name], f"{where}.{item.name}")
    return kind(**values)


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _text(kind: Any, found: object, where: str) -> Any:
    text = _exact(str, found, where)
    if kind is Wei:
        if not _WEI.fullmatch(text):
            raise Unreadable(f"{where} of the answer is no amount of wei")
        return Wei(int(text))
    if not _ID.fullmatch(text):
        raise Unreadable(f"{where} of the answer is no id")
    return TaskId(text)


def _bytes(found: object, where: str) -> bytes:
    try:
        return b64decode(_exact(str, found, where), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"{where} of the answer is no base64") from None


def _member(kind: type[StrEnum], found: object, where: str) -> StrEnum:
    try:
        return kind(_exact(str, found, where))
    except ValueError:
        raise Unreadable(
            f"{where} of the answer is none of {', '.join(kind)}; the gateway is another version"
        ) from None


def _exact(kind: Any, found: object, where: str) -> Any:
    if type(found) is not kind:
        raise Unreadable(
            f"{where} of the answer is a {type(found).__name__}, not a {kind.__name__}; check the "
            "gateway's URL"
        )
    return found
