"""What is refused unread, tried on the fence itself and on a real server."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.types import Message, Receive, Scope, Send

from api.access.guard import Access
from api.access.keys import changing
from api.access.middleware import Fence

from .gate import LIMITS, MOST, Client, answer, application, drain, request, served, serving, talk

Lines = list[tuple[bytes, bytes]]


@pytest.fixture
def client(access: Access) -> Client:
    return Client(application(access))


@pytest.fixture
def port(access: Access) -> Iterator[int]:
    with serving(access) as port:
        yield port


def _status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def ask(
    access: Access, headers: Lines, pieces: list[bytes] | None = None, scheme: str = "http"
) -> tuple[int, dict[bytes, bytes], list[bytes]]:
    """Return status and headers of an answer, and the bodies that the application read."""
    return asyncio.run(_ask(access, headers, pieces or [], scheme))


async def _ask(
    access: Access, headers: Lines, pieces: list[bytes], scheme: str
) -> tuple[int, dict[bytes, bytes], list[bytes]]:
    read, sent, left = list[bytes](), list[Message](), list(pieces)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        read.append(message.get("body", b""))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def receive() -> Message:
        piece = left.pop(0) if left else b""
        return {"type": "http.request", "body": piece, "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "scheme": scheme, "method": "POST", "path": "/", "headers": headers}
    await Fence(app, access, answer)(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), read


def test_a_body_in_pieces_comes_as_one(access: Access) -> None:
    pieces = [b"a" * 10, b"", b"b" * 10]
    status, _, read = ask(access, [(b"transfer-encoding", b"Chunked")], pieces)
    assert (status, read) == (200, [b"a" * 10 + b"b" * 10])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"3"), (b"content-length", b"3")], 400),
        ([(b"content-length", b"3"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")], 400),
        ([(b"transfer-encoding", b"gzip, chunked")], 400),
        ([(b"transfer-encoding", b"xchunked")], 400),
        ([(b"transfer-encoding", b"chunked\x0b")], 400),
        ([(b"content-length", "٣".encode())], 400),
        ([(b"content-length", "３".encode())], 400),
        ([(b"content-length", b"+3")], 400),
        ([(b"content-length", b"-3")], 400),
        ([(b"content-length", b"0x3")], 400),
        ([(b"content-length", b"3, 3")], 400),
        ([(b"content-length", b"1_0")], 400),
        ([(b"content-length", b"")], 400),
        ([(b"content-length", b"9" * 5_000)], 400),
        ([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")], 400),
        ([(b"host", b"a"), (b"host", b"b")], 400),
        ([(b"cookie", b"a=1"), (b"cookie", b"a=2")], 400),
        ([(b"idempotency-key", b"1"), (b"idempotency-key", b"2")], 400),
        ([(b"content-encoding", b"gzip")], 415),
        ([(b"content-encoding", b"GZIP"), (b"content-length", b"0")], 415),
        ([(b"content-encoding", b"identity, br")], 415),
        ([(b"cookie", b"a=" + b"x" * 20_000)], 431),
        ([(b"x-%d" % n, b"") for n in range(65)], 431),
        ([(b"content-length", b"%d" % (MOST + 1))], 413),
        ([(b"content-length", b"9" * 15)], 413),
    ],
)
def test_headers_with_two_meanings_are_refused(access: Access, headers: Lines, status: int) -> None:
    found, answered, read = ask(access, headers, [b"abc"])
    assert (found, read) == (status, [])
    assert answered[b"connection"] == b"close"


def test_a_body_of_just_the_limit_is_read(access: Access, writer_key: str) -> None:
    key = (b"authorization", f"Bearer {writer_key}".encode())
    for headers in ([(b"content-length", b"%d" % MOST)], [(b"transfer-encoding", b"chunked")]):
        status, _, read = ask(access, [*headers, key], [b"x" * (MOST - 1), b"y"])
        assert (status, len(read[0])) == (200, MOST)


def test_a_body_without_length_stops_at_the_limit(access: Access, writer_key: str) -> None:
    pieces = [b"x" * 1_000] * 1_000
    headers = [
        (b"transfer-encoding", b"chunked"),
        (b"authorization", f"Bearer {writer_key}".encode()),
    ]
    assert ask(access, headers, pieces)[0] == 413


def test_a_length_that_lies_is_not_believed(access: Access, writer_key: str) -> None:
    headers = [
        (b"content-length", b"3"),
        (b"authorization", f"Bearer {writer_key}".encode()),
    ]
    assert ask(access, headers, [b"x" * (MOST + 1)])[0] == 413


def test_strangers_get_little_memory(access: Access) -> None:
    most = LIMITS.most_unknown_bytes
    chunked = (b"transfer-encoding", b"chunked")
    assert ask(access, [chunked], [b"x" * most])[0] == 200
    assert ask(access, [chunked], [b"x" * most, b"x"])[0] == 401
    wrong = (b"authorization", b"Bearer inf_" + b"0" * 12 + b"_" + b"0" * 64)
    assert ask(access, [chunked, wrong], [b"x" * most, b"x"])[0] == 401


def test_memory_for_all_bodies_is_bounded_and_given_back(access: Access, writer_key: str) -> None:
    key = f"Bearer {writer_key}".encode()
    headers = [(b"transfer-encoding", b"chunked"), (b"authorization", key)]
    statuses, inside = list[int](), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await inside.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})

    fence = Fence(app, access, answer)

    async def one() -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": b"x" * MOST, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "scheme": "http", "headers": headers}
        await fence(scope, receive, send)

    async def both() -> None:
        first = asyncio.create_task(one())
        await asyncio.sleep(0)
        await one()
        inside.set()
        await first
        await one()

    asyncio.run(both())
    assert statuses == [503, 200, 200]


def test_every_answer_has_its_security_headers(access: Access, client: Client) -> None:
    for said in (client.get("/open"), client.get("/nothing"), client.get("/read")):
        headers = said.headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Strict-Transport-Security" not in headers
        assert not [name for name in headers if name.startswith("access-control-")]
    assert b"strict-transport-security" in ask(access, [], scheme="https")[1]
    assert b"content-security-policy" in ask(access, [(b"content-encoding", b"br")])[1]


def test_no_other_origin_is_allowed(client: Client) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    said = client.ask("OPTIONS", "/write", headers=asked)
    assert said.status_code == 405
    assert "access-control-allow-origin" not in said.headers


# On a real server


def test_a_compressed_bomb_is_refused_unread(port: int) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    headers = [("Content-Encoding", "gzip"), ("Content-Length", str(len(bomb)))]
    said = talk(port, request("POST", "/echo", headers))
    assert _status(said) == 415
    assert b"application/problem+json" in said


@pytest.mark.parametrize(
    "head",
    [
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: ٣\r\n\r\nabc",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /open HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /open HTTP/1.1\r\nHost: a\r\nX: a\rb: c\r\n\r\n",
        "GET /open HTTP/1.1\r\n\r\n",
    ],
)
def test_smuggled_requests_get_one_refusal(port: int, head: str) -> None:
    said = talk(port, head.encode())
    assert _status(said) in (400, 501)
    # What hides behind the first request is never served.
    assert said.count(b"HTTP/1.1") == 1


def test_huge_cookies_close_the_connection(port: int) -> None:
    said = talk(port, request("GET", "/open", [("Cookie", "a=" + "x" * 100_000)]))
    # By the fence, or by the server if they do not come in one piece.
    assert _status(said) in (400, 431)
    many = [(f"X-{n}", "1") for n in range(70)]
    assert _status(talk(port, request("GET", "/open", many))) == 431


def test_headers_that_trickle_are_cut_off(port: int) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"GET /open HTTP/1.1\r\nHost: a\r\n")
        said = _trickle(line, b"X-Slow: 1\r\n")
    assert said == b""
    assert time.monotonic() - begun < 10 * LIMITS.header_seconds
    # A connection that never says anything is cut off as well.
    assert talk(port) == b""


def test_a_second_request_must_not_trickle_either(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"GET /open HTTP/1.1\r\nHost: a\r\n\r\n")
        assert line.recv(65_536).startswith(b"HTTP/1.1 200")
        begun = time.monotonic()
        _trickle(line, b"GET /op")
    assert time.monotonic() - begun < 10 * LIMITS.header_seconds


def test_a_body_that_trickles_is_answered_408(port: int) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(request("POST", "/echo", [("Content-Length", "1000")]))
        said = _trickle(line, b"x")
    assert _status(said) == 408
    assert b"connection: close" in said.lower()
    assert time.monotonic() - begun < 10 * LIMITS.body_seconds


def test_slow_clients_do_not_keep_others_waiting(port: int) -> None:
    lines = [socket.create_connection(("127.0.0.1", port)) for _ in range(100)]
    for line in lines:
        line.sendall(b"GET /open HTTP/1.1\r\nX: ")
    begun = time.monotonic()
    said = talk(port, request("GET", "/open"))
    assert _status(said) == 200
    assert time.monotonic() - begun < 8
    for line in lines:
        line.close()


def test_a_key_that_is_revoked_while_its_body_comes_is_refused(
    port: int, tmp_path: Path, writer_key: str
) -> None:
    headers = [("Authorization", f"Bearer {writer_key}"), ("Content-Length", "4")]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(request("POST", "/write", headers, b"ab"))
        with changing(tmp_path) as keys:
            keys.revoke(writer_key.split("_")[1])
        line.sendall(b"cd")
        said = drain(line)
    assert _status(said) == 401
    assert b"was revoked" in said


def test_a_client_that_leaves_gives_its_memory_back(access: Access, writer_key: str) -> None:
    fence = Fence(application(access), access, answer)
    key = f"Bearer {writer_key}".encode()
    left: list[Message] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": b"x" * 1_000, "more_body": True},
    ]

    async def receive() -> Message:
        return left.pop()

    async def send(message: Message) -> None:
        raise AssertionError("nobody is there to be answered")

    headers = [(b"transfer-encoding", b"chunked"), (b"authorization", key)]
    scope = {"type": "http", "scheme": "http", "headers": headers}
    asyncio.run(fence(scope, receive, send))
    assert fence._held_bytes == 0


@pytest.mark.parametrize(
    ("proxies", "last"), [((), 429), (("127.0.0.1",), 200), (("192.0.2.1",), 429)]
)
def test_only_named_proxies_say_who_asks(
    access: Access, proxies: tuple[str, ...], last: int
) -> None:
    with served(application(access), LIMITS, proxies) as port:
        codes = [
            _status(talk(port, request("GET", "/open", [("X-Forwarded-For", f"192.0.2.{n}")])))
            for n in range(4)
        ]
    assert codes == [200, 200, 200, last]


def _trickle(line: socket.socket, piece: bytes) -> bytes:
    """Send a piece again and again until the server closes; return what it said."""
    stop = threading.Event()

    def send() -> None:
        while not stop.wait(0.05):
            try:
                line.sendall(piece)
            except OSError:
                return

    thread = threading.Thread(target=send)
    thread.start()
    try:
        return drain(line)
    finally:
        stop.set()
        thread.join()
