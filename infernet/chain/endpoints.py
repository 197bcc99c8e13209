"""One RPC endpoint: questions with time limits, and an account of what went wrong."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter

from .shapes import has_form

Response = dict[str, Any]

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
# Long answers can be provoked by strangers; shorter ranges of blocks pass.
_MAX_ANSWER_BYTES = 64 << 20
_CHUNK_BYTES = 1 << 18
_POOL_SIZE = 32
_SLOW_FACTOR, _SLOW_SECONDS = 4.0, 0.05
_FIRST_SHUN_SECONDS = 0.5
_LONGEST_SHUN_SECONDS = 60.0
_TOO_MANY_REQUESTS, _REQUEST_TIMEOUT = 429, 408


@dataclass(frozen=True, slots=True)
class Question:
    """One JSON-RPC request; `body`: as it travels."""

    method: str
    body: bytes


class EndpointFault(Exception):
    """One question was not answered. `kind`: for counting; `is_permanent`: repeating is no use."""

    def __init__(
        self, kind: str, what: str, retry_seconds: float = 0, is_permanent: bool = False
    ) -> None:
        super().__init__(what)
        self.kind = kind
        self.retry_seconds = retry_seconds
        self.is_permanent = is_permanent


@dataclass(frozen=True, slots=True)
class EndpointStatus:
    """How an endpoint fares. `faults`: by kind since the start; `head`: the block it last told."""

    name: str
    is_shunned: bool
    faults: dict[str, int]
    latency_seconds: float | None
    head: int | None


class Endpoint:
    """A node by URL; threads may ask it at once. `name`: shown in its place.

    Kinds of faults: refused, timeout, http, throttled, malformed, stale, disagrees.
    """

    def __init__(self, url: str, name: str) -> None:
        self.name = name
        self.head: int | None = None
        self._lock = threading.Lock()
        self._faults: Counter[str] = Counter()
        self._in_a_row = 0
        self._shunned_until = 0.0
        self._latency_seconds: float | None = None
        self._post_to = _Post(url)

    @property
    def is_shunned(self) -> bool:
        """Return whether others should be asked first."""
        return time.monotonic() < self._shunned_until

    def is_slower(self, than: Endpoint) -> bool:
        """Return whether another endpoint answers so much sooner that it should be asked first."""
        mine, other = self._latency_seconds or 0.0, than._latency_seconds or 0.0
        return mine > _SLOW_FACTOR * other + _SLOW_SECONDS

    def status(self) -> EndpointStatus:
        """Return how the endpoint fares."""
        with self._lock:
            faults = dict(self._faults)
        return EndpointStatus(self.name, self.is_shunned, faults, self._latency_seconds, self.head)

    def ask(self, question: Question, seconds: float = READ_SECONDS) -> Response:
        """Return the answer to one JSON-RPC request, or raise EndpointFault, counted."""
        began = time.monotonic()
        try:
            answer = self._post(question.body, began + seconds)
            if "result" in answer and not has_form(question.method, answer["result"]):
                what = f"does not answer {question.method} as a chain's node does"
                raise EndpointFault("malformed", what)
        except EndpointFault as fault:
            self.blame(fault.kind, fault.retry_seconds)
            raise
        with self._lock:
            self._in_a_row = 0
            latency, last = time.monotonic() - began, self._latency_seconds
            self._latency_seconds = latency if last is None else 0.9 * last + 0.1 * latency
        return answer

    def blame(self, kind: str, seconds: float = 0) -> None:
        """Count a fault and shun the endpoint: at least `seconds`, longer if faults repeat."""
        with self._lock:
            self._faults[kind] += 1
            self._in_a_row += 1
            pause = _FIRST_SHUN_SECONDS * 2.0 ** min(self._in_a_row - 1, 10)
            pause = max(seconds, min(pause, _LONGEST_SHUN_SECONDS))
            self._shunned_until = max(self._shunned_until, time.monotonic() + pause)

    def note(self, kind: str) -> None:
        """Count a fault that is no reason to shun the endpoint."""
        with self._lock:
            self._faults[kind] += 1

    def _post(self, body: bytes, deadline: float) -> Response:
        left = max(0.001, deadline - time.monotonic())
        limits = (min(CONNECT_SECONDS, left), min(READ_SECONDS, left))
        try:
            with self._post_to.send(body, limits) as answer:
                _require_ok(answer)
                return response_in(_content(answer, deadline))
        except (requests.Timeout, urllib3.exceptions.TimeoutError):
            raise EndpointFault("timeout", "does not answer in time") from None
        except (requests.ConnectionError, urllib3.exceptions.ProtocolError):
            raise EndpointFault("refused", "does not answer") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            what = f"does not answer properly ({type(error).__name__})"
            raise EndpointFault("malformed", what) from None


def safe_name(url: str) -> str:
    """Return scheme, host and port of a URL: its other parts may hold an access key."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the given address"
    if not parts.hostname:
        return "the given address"
    return f"{parts.scheme}://{parts.hostname}{port}"


class _Post:
    """Posts to one URL; threads may share it.

    What requests have in common is prepared once: address, headers, credentials, and the
    environment's proxies and certificates. No answer changes it, for there are no cookies.
    """

    def __init__(self, url: str) -> None:
        self._url, self._session = url, requests.Session()
        settings = self._session.merge_environment_settings(url, {}, None, None, None)
        self._proxies, self._verify = settings["proxies"], settings["verify"]
        self._session.trust_env = False
        self._adapter = HTTPAdapter(pool_connections=1, pool_maxsize=_POOL_SIZE)

    def send(self, body: bytes, limits: tuple[float, float]) -> requests.Response:
        """Return the answer, to be read; `limits`: seconds to connect and for each read.

        Raises what requests raises.
        """
        request = self._prepared.copy()
        request.prepare_body(body, None)
        return self._adapter.send(
            request, stream=True, timeout=limits, verify=self._verify, proxies=self._proxies
        )

    @cached_property
    def _prepared(self) -> requests.PreparedRequest:
        headers = {"Content-Type": "application/json"}
        return self._session.prepare_request(requests.Request("POST", self._url, headers))


def _require_ok(answer: requests.Response) -> None:
    status = answer.status_code
    if status == requests.codes.ok:
        return
    what = f"answers with HTTP {status}, not as a chain"
    if status == _TOO_MANY_REQUESTS:
        raise EndpointFault("throttled", what, _retry_seconds(answer))
    is_permanent = status < 500 and status != _REQUEST_TIMEOUT
    raise EndpointFault("http", what, _retry_seconds(answer), is_permanent)


def _retry_seconds(answer: requests.Response) -> float:
    """Return what the header Retry-After asks for; dates are left to the usual pause."""
    try:
        seconds = float(answer.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
    return min(max(seconds, 0.0), _LONGEST_SHUN_SECONDS)


def _content(answer: requests.Response, deadline: float) -> bytes:
    chunks, size = [], 0
    # What has come is taken as it is: to wait for a full chunk would be to wait for a trickle.
    while chunk := answer.raw.read1(_CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > _MAX_ANSWER_BYTES:
            raise EndpointFault("malformed", f"answers with over {_MAX_ANSWER_BYTES >> 20} MiB")
        if time.monotonic() > deadline:
            raise EndpointFault("timeout", "does not answer in time")
    return b"".join(chunks)


def response_in(content: bytes) -> Response:
    """Return the JSON-RPC answer in a body, or raise EndpointFault."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        # Brackets in brackets end at the parser's depth, however many a stranger sends.
        answer = None
    if isinstance(answer, dict):
        if answer.get("error") is not None:
            return {key: answer[key] for key in ("jsonrpc", "id", "error") if key in answer}
        if "result" in answer:
            return {key: answer[key] for key in ("jsonrpc", "id", "result") if key in answer}
    raise EndpointFault("malformed", "does not answer as a chain's node does")
