"""A chain that is not there, and one inside this process."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import pytest

from infernet.chain.connection import Chain, connect, embedded_chain, revert_data, safe_name
from infernet.chain.endpoints import EndpointFault, response_in
from infernet.chain.errors import ChainError, ChainUnavailable, RetryableChainError
from infernet.chain.records import Address, Seconds

SOMEBODY = Address("0x" + "11" * 20)


@pytest.fixture(scope="module")
def chain() -> Chain:
    return embedded_chain()


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class _Answer(BaseHTTPRequestHandler):
    status, body = 200, b""

    def do_POST(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    httpd = HTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_absent_chain_is_named_and_what_to_do(closed_port: int) -> None:
    with pytest.raises(ChainUnavailable, match=rf"127\.0\.0\.1:{closed_port}; start it"):
        connect(f"http://127.0.0.1:{closed_port}")


@pytest.mark.parametrize("url", ["", "nonsense", "ftp://host", "ws://host:1", "http:///path"])
def test_what_is_no_node_is_refused(url: str) -> None:
    with pytest.raises(ChainUnavailable):
        connect(url)


def test_web_server_that_is_no_chain_is_refused(server: str, monkeypatch) -> None:
    monkeypatch.setattr(_Answer, "status", 404)
    with pytest.raises(ChainUnavailable, match="HTTP 404"):
        connect(server)


def test_answer_that_is_no_json_is_refused(server: str, monkeypatch) -> None:
    monkeypatch.setattr("infernet.chain.panel._ATTEMPTS", 2)
    monkeypatch.setattr(_Answer, "body", b"<html>hello</html>")
    with pytest.raises(ChainError):
        connect(server)


def test_answer_of_nothing_but_brackets_is_refused() -> None:
    with pytest.raises(EndpointFault, match="does not answer as a chain's node does"):
        response_in(b"[" * 10_000_000)


def test_error_of_the_node_can_be_tried_again(server: str, monkeypatch) -> None:
    body = b'{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"database is locked"}}'
    monkeypatch.setattr(_Answer, "body", body)
    with pytest.raises(RetryableChainError, match="database is locked"):
        connect(server)


class _Authority(_Answer):
    """A node of a chain whose validators sign in the block's extra data."""

    BLOCK: ClassVar[dict[str, str]] = {
        "number": "0x7",
        "hash": "0x" + "11" * 32,
        "parentHash": "0x" + "22" * 32,
        "timestamp": "0x5",
        "extraData": "0x" + "ab" * 97,
    }

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = "0x5" if asked["method"] == "eth_chainId" else self.BLOCK
        answer = {"jsonrpc": "2.0", "id": asked["id"], "result": result}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(answer).encode())


def test_long_extra_data_of_a_block_does_no_harm(server: str, monkeypatch) -> None:
    monkeypatch.setattr(_Answer, "do_POST", _Authority.do_POST)
    monkeypatch.setattr(_Answer, "BLOCK", _Authority.BLOCK, raising=False)
    assert connect(server).head() == (7, b"\x11" * 32)


def test_access_keys_in_a_url_are_never_shown() -> None:
    assert safe_name("https://user:secret@node.example:8545/v3/key?x=secret") == (
        "https://node.example:8545"
    )


def test_embedded_chain_travels_forward_only(chain: Chain) -> None:
    later = Seconds(chain.next_timestamp() + 1000)
    chain.travel_to(later)
    assert chain.next_timestamp() == later
    chain.travel_to(Seconds(later - 500))
    assert chain.next_timestamp() == later


def test_other_chains_do_not_travel(chain: Chain) -> None:
    with pytest.raises(ChainError, match="embedded"):
        Chain(chain.web3, "a node", chain.chain_id).travel_to(Seconds(2**40))


def test_head_grows_with_blocks(chain: Chain) -> None:
    number, block_hash = chain.head()
    chain.tester.mine_block()
    assert chain.head()[0] == number + 1
    assert chain.head()[1] != block_hash


def test_stranger_owns_nothing(chain: Chain) -> None:
    assert chain.balance(SOMEBODY) == 0


@pytest.mark.parametrize(
    ("raised", "data"),
    [
        (Exception(b"\x01\x02"), b"\x01\x02"),
        (Exception("0x0102"), b"\x01\x02"),
        (Exception("b'\\x01\\x02'"), b"\x01\x02"),
        (Exception("execution reverted: b'\\x01\\x02'"), b"\x01\x02"),
        (Exception("execution reverted"), b""),
        (Exception("[1, 2]"), b""),
        (Exception("0xzz"), b""),
        (Exception("plain words"), b""),
        (Exception(), b""),
    ],
)
def test_data_of_a_refusal_is_found_where_libraries_put_it(raised: Exception, data: bytes) -> None:
    assert revert_data(raised) == data
