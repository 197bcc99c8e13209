"""Problems as clients of OpenAI's protocol read them: `{"error": {…}}` with a status of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIXES = ("/v1/chat/", "/v1/completions", "/v1/embeddings")

_INVALID, _SERVER = "invalid_request_error", "server_error"
# Codes that clients know; the others are the problem's own name.
_CODES = {
    "unauthenticated": "invalid_api_key",
    "unknown-model": "model_not_found",
    "invalid-request": "invalid_value",
    "invalid-task": "invalid_value",
    "prompt-too-long": "context_length_exceeded",
    "budget-exceeded": "insufficient_quota",
    "too-many-requests": "rate_limit_exceeded",
}
# This protocol has one status for all that is wrong in a request, and one for all that is spent.
_STATUSES = {422: 400, 402: 429}
_TYPES = {402: "insufficient_quota", 429: "requests"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong. `param`: the member of the request; `task_id`: of what was accepted."""

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    task_id: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the body of an answer, and the data of an event in a stream."""
        told = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        found: dict[str, Any] = {"error": told}
        if self.task_id is not None:
            found["infernet"] = {"task_id": self.task_id}
        return found

    def text(self) -> str:
        """Return the body as JSON."""
        return json.dumps(self.body(), ensure_ascii=True)


def is_spoken(path: str) -> bool:
    """Return whether who asks at an address speaks this protocol."""
    return path.startswith(PREFIXES)


def status_of(status: int) -> int:
    """Return the status that a problem has in this protocol."""
    return _STATUSES.get(status, status)


def fault(name: str, status: int, detail: str, more: Mapping[str, object]) -> Fault:
    """Return a problem of the gateway's own table. `more`: the members that it has besides."""
    kind = _TYPES.get(status, _SERVER if status >= 500 else _INVALID)
    told = {key: str(more[key]) for key in ("code", "field", "task_id") if more.get(key)}
    code = told.get("code", _CODES.get(name, name.replace("-", "_")))
    return Fault(status_of(status), kind, code, detail, told.get("field"), told.get("task_id"))
