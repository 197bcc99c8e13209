"""What client and gateway say to each other, without sending: both clients run these talks.

A talk is a generator. It yields what to send and for how long to wait before, is sent the answer or
why none came, and returns what was asked for.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

from .answers import (
    Accepted,
    AcceptedBatch,
    DisputePage,
    Finality,
    ModelList,
    Proof,
    Receipt,
    Story,
    Task,
    TaskPage,
    Wei,
)
from .errors import BadArgument, Busy, TimedOut, TryLater, Unreachable, WithoutResult
from .inputs import Input, form_of
from .reading import Reply, problem_in, read

T = TypeVar("T")

KEY_VARIABLE = "INFERNET_API_KEY"
_ID = re.compile(r"0x[0-9a-f]{64}")
_KEY = re.compile(r"[!-~]{1,500}")
_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS = 0.2, 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path`: with its query. What spends has a key that makes repeating it safe."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    wanted: int = 200


@dataclass(frozen=True, slots=True)
class Turn:
    """What to send next, and how long to wait before."""

    asked: Asked
    after_seconds: float = 0.0


Talk = Generator[Turn, Reply | Unreachable, T]


@dataclass(frozen=True, slots=True)
class Patience:
    """When a request is sent again. `pauses_seconds`: before each repetition, so many they are.

    `most_seconds`: a gateway that asks for a longer pause is not waited for.
    """

    pauses_seconds: tuple[float, ...] = (0.2, 0.5, 1.0, 2.0, 4.0)
    most_seconds: float = 30.0

    def pause(self, tries: int, fault: TryLater) -> float:
        """Return the pause after so many tries (1 or more), or raise the fault."""
        if tries > len(self.pauses_seconds) or fault.retry_after_seconds > self.most_seconds:
            raise fault
        return max(self.pauses_seconds[tries - 1], fault.retry_after_seconds)


def ask(asked: Asked, patience: Patience) -> Talk[Reply]:
    """Return the wanted answer; ask again while nobody answers or the gateway is busy."""
    tries, pause = 0, 0.0
    while True:
        got = yield Turn(asked, pause)
        tries += 1
        fault = problem_in(got, asked.wanted) if isinstance(got, Reply) else got
        if isinstance(fault, TryLater):
            pause = patience.pause(tries, fault)
        elif fault is not None:
            raise fault
        else:
            assert isinstance(got, Reply)
            return got


def submit(
    model: str, given: Input, terms: Mapping[str, object], key: str | None, patience: Patience
) -> Talk[Accepted]:
    """Have a task accepted; a repetition is the same task."""
    content = _wish(model, given, terms)
    reply = yield from ask(_post("/v1/tasks", content, key), patience)
    return read(Accepted, reply.body)


def submit_many(
    model: str,
    given: Iterable[Input],
    terms: Mapping[str, object],
    key: str | None,
    patience: Patience,
) -> Talk[AcceptedBatch]:
    """Have several tasks accepted, all or none."""
    content = {"tasks": [_wish(model, each, terms) for each in given]}
    reply = yield from ask(_post("/v1/tasks/batch", content, key), patience)
    return read(AcceptedBatch, reply.body)


def get_task(task_id: str, patience: Patience) -> Talk[Task]:
    """Get a task as it stands."""
    reply = yield from ask(Asked("GET", task_path(task_id)), patience)
    return read(Task, reply.body)


def wait(
    task_id: str, until: Finality, timeout_seconds: float | None, patience: Patience
) -> Talk[Task]:
    """Ask until a result is at least as sure as wanted; a gateway that restarts is waited for.

    Raise WithoutResult if there will be none, TimedOut if it takes longer.
    """
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    enough = _enough(until)
    asked, pause, wait_seconds = Asked("GET", task_path(task_id)), 0.0, _FIRST_POLL_SECONDS
    last: object = "not known"
    while True:
        got = yield Turn(asked, pause)
        fault = problem_in(got, asked.wanted) if isinstance(got, Reply) else got
        pause = wait_seconds
        if isinstance(fault, TryLater):
            last, pause = fault, max(wait_seconds, fault.retry_after_seconds)
        elif fault is not None:
            raise fault
        else:
            assert isinstance(got, Reply)
            task = read(Task, got.body)
            if task.finality in enough:
                return task
            if task.has_ended:
                raise WithoutResult(
                    f"task {task.id} is {task.state}: {task.trouble or 'no result'}"
                )
            last = task.state
        if end is not None and time.monotonic() + pause > end:
            raise TimedOut(
                f"task {task_id} has no {until} result after {timeout_seconds:g} s ({last}); it "
                "goes on, so wait again"
            )
        wait_seconds = min(1.5 * wait_seconds, _LAST_POLL_SECONDS)


def page_of_tasks(
    cursor: str | None, filters: Mapping[str, object], patience: Patience
) -> Talk[TaskPage]:
    """Get some tasks, the newest first."""
    path = f"/v1/tasks{_query({**filters, 'cursor': cursor})}"
    return read(TaskPage, (yield from ask(Asked("GET", path), patience)).body)


def page_of_disputes(
    cursor: str | None, filters: Mapping[str, object], patience: Patience
) -> Talk[DisputePage]:
    """Get some disputes, the newest first."""
    path = f"/v1/disputes{_query({**filters, 'cursor': cursor})}"
    return read(DisputePage, (yield from ask(Asked("GET", path), patience)).body)


def get_receipt(task_id: str, patience: Patience) -> Talk[Receipt]:
    """Get a task's receipt, as text."""
    reply = yield from ask(Asked("GET", f"{task_path(task_id)}/receipt"), patience)
    return Receipt(reply.body.decode("utf-8", "replace"))


def get_models(patience: Patience) -> Talk[ModelList]:
    """Get the models that tasks may name."""
    return read(ModelList, (yield from ask(Asked("GET", "/v1/models"), patience)).body)


def get_dispute(dispute_id: str, patience: Patience) -> Talk[Story]:
    """Get a dispute, move by move."""
    path = f"/v1/disputes/{_id(dispute_id)}"
    return read(Story, (yield from ask(Asked("GET", path), patience)).body)


def get_proof(dispute_id: str, patience: Patience) -> Talk[Proof]:
    """Get the proof that decided a dispute."""
    path = f"/v1/proof/{_id(dispute_id)}"
    return read(Proof, (yield from ask(Asked("GET", path), patience)).body)


def health() -> Talk[bool]:
    """Say whether the gateway follows the chain; asked once."""
    try:
        yield from ask(Asked("GET", "/health"), Patience(()))
    except Busy:
        return False
    return True


def task_path(task_id: str) -> str:
    """Return the path of a task, or raise BadArgument."""
    return f"/v1/tasks/{_id(task_id)}"


def checked_url(url: str) -> str:
    """Return a gateway's address without a slash at its end, or raise BadArgument."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username is not None or parts.query or parts.fragment:
        raise BadArgument("a gateway's URL is http(s)://host[:port], without name or password")
    return url.rstrip("/")


def headers_of(api_key: str | None) -> dict[str, str]:
    """Return the headers of every request; the key is the argument, else INFERNET_API_KEY."""
    key = os.environ.get(KEY_VARIABLE) if api_key is None else api_key
    if not key:
        return {}
    if not _KEY.fullmatch(key):
        raise BadArgument(f"the API key has a space or a control character; check {KEY_VARIABLE}")
    return {"Authorization": f"Bearer {key}"}


def _enough(until: Finality) -> frozenset[Finality]:
    if until is Finality.NONE:
        raise BadArgument("wait for Finality.PENDING or Finality.FINAL")
    return frozenset({until, Finality.FINAL})


def _wish(model: str, given: Input, terms: Mapping[str, object]) -> dict[str, object]:
    said = {name: value for name, value in terms.items() if value is not None}
    return {"model": model, "input": form_of(given), **said}


def _post(path: str, content: dict[str, Any], key: str | None) -> Asked:
    """Return a request that is the same task however often it is sent."""
    try:
        body = json.dumps(content, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        raise BadArgument("a tensor is nested lists of finite numbers") from None
    given = uuid4().hex if key is None else key
    if not _KEY.fullmatch(given) or len(given) > 255:
        raise BadArgument("an idempotency key is 1 to 255 visible ASCII characters")
    headers = {"Content-Type": "application/json", "Idempotency-Key": given}
    return Asked("POST", path, headers, body, wanted=202)


def _query(values: Mapping[str, object]) -> str:
    said = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in values.items()
        if value is not None
    }
    return f"?{urlencode(said, quote_via=quote)}" if said else ""


def _id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise BadArgument(f"'{text[:80]}' is no id: 0x and 64 digits of 0-9a-f")
    return text


def terms(
    fee_wei: Wei | None, deadline_seconds: int | None, iterations: int | None
) -> dict[str, object]:
    """Return what a task is besides its model and input, as a request has it."""
    return {
        "fee_wei": None if fee_wei is None else str(fee_wei),
        "deadline_seconds": deadline_seconds,
        "iterations": iterations,
    }
