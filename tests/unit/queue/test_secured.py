"""A Redis server on a network: only who has the password, and sees its certificate, gets in."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from infernet.backend.adapters import Reference
from infernet.backend.conformance import load_vectors
from infernet.queue.broker import connect
from infernet.queue.errors import BrokerUnavailable
from infernet.queue.jobs import Purpose
from infernet.queue.remote import QueueAdapter, RemoteEngine
from tests.anvil import free_port
from tests.survival.outpost import RedisServer, worker_on

_CERTIFY = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    "-subj /CN=redis -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem"
)
needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="`openssl`, which makes a certificate, is missing"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    found = RedisServer(tmp_path, free_port())
    found.start()
    try:
        yield found
    finally:
        found.process.kill()


def require_computed(url: str, folder: Path) -> None:
    """Have a worker compute over a URL, and check that it did."""
    vector, worker = load_vectors()[0], worker_on("worker", folder, url)
    worker.start()
    try:
        with connect(url) as client:
            engine = QueueAdapter(client, Purpose.EXECUTE, Reference()).open(vector.program, 1)
            assert isinstance(engine, RemoteEngine)
            assert engine.run(vector.data).output.tobytes() == vector.output
            assert engine._local is None, worker.log
    finally:
        worker.kill()


def test_a_worker_with_the_password_computes(server: RedisServer, tmp_path: Path) -> None:
    require_computed(server.url, tmp_path)


@pytest.mark.parametrize("login", ["", ":wrong-secret@"])
def test_nobody_else_gets_in_and_no_password_is_shown(server: RedisServer, login: str) -> None:
    with pytest.raises(BrokerUnavailable, match="AuthenticationError") as caught:
        connect(f"redis://{login}{server.host}:{server.port}/0")
    assert "wrong-secret" not in str(caught.value)


@needs_openssl
def test_over_tls_the_certificate_is_checked(server: RedisServer, tmp_path: Path) -> None:
    subprocess.run(_CERTIFY.split(), cwd=tmp_path, check=True, capture_output=True)
    with encrypted(server.port, tmp_path) as port:
        url = server.url.replace("redis:", "rediss:").replace(str(server.port), str(port))
        with pytest.raises(BrokerUnavailable, match="does not answer"):
            connect(url)
        require_computed(f"{url}?ssl_ca_certs={tmp_path / 'certificate.pem'}", tmp_path)


@contextmanager
def encrypted(port: int, folder: Path) -> Iterator[int]:
    """Give a port that speaks TLS and passes everything on, as a proxy beside Redis does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept_all() -> None:
            # Ends when the listener is closed.
            with suppress(OSError):
                while True:
                    raw, _ = listener.accept()
                    threading.Thread(target=_serve, args=(context, raw, port), daemon=True).start()

        accepting = threading.Thread(target=accept_all)
        accepting.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _serve(context: ssl.SSLContext, raw: socket.socket, port: int) -> None:
    """Pass one connection on, both ways, until either side ends it."""
    with (
        suppress(OSError),
        raw,
        context.wrap_socket(raw, server_side=True) as outer,
        socket.create_connection(("127.0.0.1", port)) as inner,
    ):
        back = threading.Thread(target=_copy, args=(inner, outer), daemon=True)
        back.start()
        _copy(outer, inner)
        back.join()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while content := source.recv(65_536):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)
