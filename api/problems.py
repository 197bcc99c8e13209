"""Every answer that is not what was asked for, in one table (RFC 9457)."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from infernet.audit.errors import AuditError, NotAsserted, UnknownMatter
from infernet.chain.errors import ChainError
from infernet.store.errors import StoreError

from . import openai_problems
from .errors import (
    BadChallenge,
    BlobDamaged,
    BudgetExceeded,
    DepositTooSmall,
    EndedWithout,
    GatewayError,
    InvalidMember,
    InvalidTask,
    KeyReused,
    MalformedBody,
    NoProof,
    NoRoom,
    NotAMember,
    NotOffered,
    PromptTooLong,
    ResultVoid,
    StillOpen,
    Stopping,
    Unanswered,
    UnknownModel,
    UnknownTask,
    UnsupportedType,
)

MEDIA_TYPE = "application/problem+json"
ROOT = "/v1/problems"
_RETRY_SECONDS = "5"
_MOST_ERRORS = 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem. `help`: what a client does about it."""

    name: str
    status: int
    title: str
    help: str

    @property
    def type(self) -> str:
        """Return the address that names it, where it is described too."""
        return f"{ROOT}/{self.name}"


TABLE = (
    Problem("malformed-body", 400, "The body cannot be read", "Send what Content-Type says."),
    Problem("bad-headers", 400, "The headers can be read in two ways", "Send each once."),
    Problem("unauthenticated", 401, "A key is needed", "Send Authorization: Bearer and a key."),
    Problem("not-a-member", 401, "A session of the pool is needed", "Join the pool again."),
    Problem("budget-exceeded", 402, "The key's budget is spent", "Have the budget raised."),
    Problem("deposit-too-small", 402, "The deposit covers no task", "Deposit what is missing."),
    Problem("forbidden", 403, "The key may not do this", "Use a key with the scope named."),
    Problem("bad-form", 403, "The form is not this gateway's", "Load the page again."),
    Problem("bad-challenge", 403, "The signature lets nobody in", "Ask for another challenge."),
    Problem("not-offered", 403, "The task is not offered to you", "Ask /v1/pool/work."),
    Problem("not-found", 404, "There is no such address", "Look at /openapi.json."),
    Problem("unknown-task", 404, "There is no such task", "Check the id."),
    Problem("unknown-model", 404, "No such model is served", "Look at /v1/models."),
    Problem("unknown-matter", 404, "The chain knows nothing of that id", "Check the id."),
    Problem("unknown-problem", 404, "There is no such problem", "Look at /v1/problems."),
    Problem("no-proof", 404, "No step was proven", "A dispute without a proof was lost by time."),
    Problem("method-not-allowed", 405, "This address has no such method", "Look at Allow."),
    Problem("too-slow", 408, "The body took too long", "Send it again, faster."),
    Problem("no-result", 409, "The task has no result yet", "Follow its events and ask again."),
    Problem("body-too-large", 413, "The body is too large", "Send a smaller input."),
    Problem("unsupported-type", 415, "This type of body is not read", "See the types accepted."),
    Problem("encoding-refused", 415, "The body is compressed", "Send it as it is."),
    Problem("invalid-request", 422, "A part of the request is wrong", "Correct `errors`."),
    Problem("prompt-too-long", 422, "The prompt does not fit", "Send less, or ask for less."),
    Problem("invalid-task", 422, "No such task can be accepted", "Correct `field`."),
    Problem("key-reused", 422, "Idempotency-Key came with another request", "Use a new key."),
    Problem("too-many-requests", 429, "Too many requests", "Wait for Retry-After seconds."),
    Problem("headers-too-large", 431, "The headers are too large", "Send fewer."),
    Problem("internal", 500, "The gateway made a mistake", "Tell its operator the time."),
    Problem("ended-without", 502, "The task has no result", "Ask again; the fee came back."),
    Problem("result-void", 502, "The result was proven false", "Follow the task, it is open."),
    Problem("no-room", 503, "The gateway is full", "Send again after Retry-After seconds."),
    Problem("too-busy", 503, "Too many bodies come at once", "Wait for Retry-After seconds."),
    Problem("stopping", 503, "The gateway is ending or beginning", "Send again in a moment."),
    Problem("chain-unavailable", 503, "The chain does not answer", "Send again in a moment."),
    Problem("store-trouble", 503, "The gateway's disk fails it", "Tell its operator."),
    Problem("not-following", 503, "The gateway does not follow the chain", "Tell its operator."),
    Problem("still-open", 504, "The result takes longer", "Follow the task, it goes on."),
)
BY_NAME = {problem.name: problem for problem in TABLE}
_CAUSES: Mapping[type[Exception], str] = {
    MalformedBody: "malformed-body",
    UnsupportedType: "unsupported-type",
    UnknownModel: "unknown-model",
    PromptTooLong: "prompt-too-long",
    InvalidTask: "invalid-task",
    UnknownTask: "unknown-task",
    UnknownMatter: "unknown-matter",
    NoProof: "no-proof",
    StillOpen: "still-open",
    EndedWithout: "ended-without",
    ResultVoid: "result-void",
    NotAsserted: "no-result",
    KeyReused: "key-reused",
    BudgetExceeded: "budget-exceeded",
    NoRoom: "no-room",
    BadChallenge: "bad-challenge",
    DepositTooSmall: "deposit-too-small",
    NotAMember: "not-a-member",
    NotOffered: "not-offered",
    Stopping: "stopping",
    BlobDamaged: "store-trouble",
    ChainError: "chain-unavailable",
    StoreError: "store-trouble",
    # Whatever else an audit finds wrong is the chain's node contradicting itself.
    AuditError: "chain-unavailable",
}
_KNOWN = (GatewayError, ChainError, StoreError, AuditError)
_BY_STATUS = {
    400: "malformed-body",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-type",
}


def answer(
    name: str,
    detail: str,
    instance: str,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """Return a problem as an answer. `more`: members besides those of the standard."""
    problem = BY_NAME[name]
    content = {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": detail,
        "instance": instance,
        **more,
    }
    given = dict(headers or {})
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        given.setdefault("Retry-After", _RETRY_SECONDS)
    if openai_problems.is_spoken(instance):
        fault = openai_problems.fault(name, problem.status, detail, more)
        return Response(fault.text(), fault.status, given, "application/json")
    text = json.dumps(content, ensure_ascii=True)
    return Response(text, problem.status, given, MEDIA_TYPE)


def of(error: Exception, instance: str) -> Response:
    """Return the answer to an error that a route raised; an unknown one says nothing of itself."""
    name = getattr(error, "problem", None) or next(
        (_CAUSES[kind] for kind in type(error).__mro__ if kind in _CAUSES), "internal"
    )
    if name == "internal":
        return answer(name, "The cause is in the gateway's log.", instance)
    headers, more = getattr(error, "headers", None), _more(error)
    return answer(name, _clean(str(error)), instance, headers, **more)


def _more(error: Exception) -> dict[str, str]:
    """Return the members that an error's answer has besides those of the standard."""
    if isinstance(error, InvalidMember):
        return {"field": error.field, "code": error.code}
    if isinstance(error, Unanswered):
        return {"task_id": error.task_id}
    return {"field": error.field} if isinstance(error, InvalidTask) else {}


def answer_to(request: Request, error: Exception) -> Response:
    """Return the answer to whatever a route raised, and log what no route should raise."""
    path = request.url.path
    if isinstance(error, RequestValidationError):
        found = [_fault(each) for each in error.errors()[:_MOST_ERRORS]]
        detail = "; ".join(f"{each['field']}: {each['detail']}" for each in found)
        return answer("invalid-request", detail, path, errors=found)
    if isinstance(error, HTTPException):
        name = _BY_STATUS.get(error.status_code, "internal")
        return answer(name, str(error.detail), path, error.headers)
    if not isinstance(error, _KNOWN):
        _log.error("a request failed", exc_info=error)
    return of(error, path)


def install(app: FastAPI) -> None:
    """Let an application answer every error with a problem."""

    async def answering(request: Request, error: Exception) -> Response:
        return answer_to(request, error)

    for kind in (*_KNOWN, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, answering)


def answers(*names: str) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's problems, by status."""
    found: dict[int | str, dict[str, Any]] = {}
    for problem in (BY_NAME[name] for name in names):
        each = found.setdefault(
            problem.status,
            {
                "description": problem.title,
                "content": {
                    MEDIA_TYPE: {
                        "schema": {"$ref": "#/components/schemas/ProblemView"},
                        "examples": {},
                    }
                },
            },
        )
        if problem.status in (429, 503):
            text = {"description": "Seconds to wait", "schema": {"type": "string"}}
            each["headers"] = {"Retry-After": text}
        each["content"][MEDIA_TYPE]["examples"][problem.name] = {"value": _example(problem)}
    return found


def _example(problem: Problem) -> dict[str, object]:
    return {
        "type": problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.help,
        "instance": "/v1/tasks",
    }


def _fault(error: Mapping[str, Any]) -> dict[str, str]:
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path"))
    return {"field": _clean(place) or "body", "detail": _clean(str(error["msg"]))}


def _clean(text: str) -> str:
    """Return a text that any encoding can carry."""
    return text.encode("utf-8", "replace").decode()
