"""The webhook on a real HTTP server: what arrives, what is tried again, what nobody waits for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import structlog

from infernet.monitor.alerts import Alert, Severity
from infernet.monitor.webhook import Webhook, WebhookError

ALERT = Alert("game_lost", Severity.ERROR, "lost a game", {"game_id": "0x01"})
SECRET = "T0KEN-of-the-operator"


class Receiver(ThreadingHTTPServer):
    """Answers POSTs with the statuses in `answers`, then 200; `gate` holds answers back."""

    daemon_threads = True

    def __init__(self, answers: list[int], gate: threading.Event) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.gate = answers, gate
        self.bodies: list[dict[str, object]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hooks/{SECRET}"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(json.loads(body))
        self.server.gate.wait(10)
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def receiver(*answers: int, is_open: bool = True) -> Iterator[Receiver]:
    gate = threading.Event()
    if is_open:
        gate.set()
    server = Receiver(list(answers), gate)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    gate.set()
    server.shutdown()
    server.server_close()
    thread.join()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_alert_arrives_as_one_json_object() -> None:
    with receiver() as server:
        webhook = Webhook(server.url)
        webhook.put(ALERT)
        webhook.close()
    (body,) = server.bodies
    assert body.pop("sent_at")
    assert body == {
        "event": "game_lost",
        "severity": "error",
        "text": "[error] game_lost: lost a game",
        "summary": "lost a game",
        "ids": {"game_id": "0x01"},
    }
    assert (webhook.counts.sent, webhook.counts.waiting) == (1, 0)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    with receiver(status, status) as server:
        webhook = Webhook(server.url, first_pause_seconds=0.01)
        webhook.put(ALERT)
        wait_for(lambda: webhook.counts.sent == 1)
        webhook.close()
    assert len(server.bodies) == 3
    assert webhook.counts.failed == 0


@pytest.mark.parametrize("status", [400, 404, 302, 307])
def test_a_refusal_is_final_and_no_redirect_is_followed(status: int) -> None:
    with receiver(status) as server:
        webhook = Webhook(server.url, first_pause_seconds=0.01)
        webhook.put(ALERT)
        wait_for(lambda: webhook.counts.failed == 1)
        webhook.close()
    assert len(server.bodies) == 1


def test_a_host_that_never_answers_ends_in_a_count_and_shows_no_secret() -> None:
    with receiver() as server:
        url = server.url
    with structlog.testing.capture_logs() as logs:
        webhook = Webhook(url, first_pause_seconds=0.001)
        webhook.put(ALERT)
        wait_for(lambda: webhook.counts.failed == 1)
        webhook.close()
    assert len(logs) == 6
    assert SECRET not in repr(logs)
    assert SECRET not in repr(webhook)
    assert {entry["host"] for entry in logs} == {"127.0.0.1"}


def test_a_stalled_receiver_holds_up_nobody_and_what_does_not_fit_is_counted() -> None:
    with receiver(is_open=False) as server:
        webhook = Webhook(server.url)
        began = time.monotonic()
        for _ in range(400):
            webhook.put(ALERT)
        assert time.monotonic() - began < 10
        assert webhook.counts.dropped >= 400 - 256 - 1
        server.gate.set()
        wait_for(lambda: webhook.counts.waiting == 0)
        webhook.close()
    counts = webhook.counts
    assert counts.sent + counts.dropped == 400


@pytest.mark.parametrize("url", ["ftp://host/x", "hooks.example/abc", "http://", ""])
def test_a_url_that_cannot_work_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(WebhookError) as caught:
        Webhook(url)
    assert not url or url not in str(caught.value)
