"""An answer out of form is no answer, whatever it says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from infernet.chain.connection import connect
from infernet.chain.errors import ChainUnavailable
from infernet.chain.shapes import has_form
from tests.anvil import Anvil

NONSENSE = (None, True, 1, -5, 1.5, "", "zzz", "0x", "-0x5", "0xzz", [], [1], {}, {"hash": 1})
QUANTITIES = (
    "eth_blockNumber",
    "eth_chainId",
    "eth_estimateGas",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getTransactionCount",
)


@pytest.mark.parametrize("method", QUANTITIES)
@pytest.mark.parametrize("result", NONSENSE)
def test_what_is_no_number_is_refused(method: str, result: Any) -> None:
    assert not has_form(method, result)


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_getTransactionReceipt"])
@pytest.mark.parametrize("result", NONSENSE[1:])
def test_what_is_no_record_is_refused(method: str, result: Any) -> None:
    assert has_form(method, None)
    assert not has_form(method, result)


def test_logs_are_refused_for_any_field_out_of_form() -> None:
    address, word = "0x" + "11" * 20, "0x" + "22" * 32
    log = {
        "address": address,
        "topics": [word],
        "data": "0x",
        "blockNumber": "0x1",
        "blockHash": word,
        "transactionHash": word,
        "logIndex": "0x0",
    }
    assert has_form("eth_getLogs", [log])
    for name in log:
        for nonsense in (None, True, 7, "0x1g", [None]):
            assert not has_form("eth_getLogs", [{**log, name: nonsense}])
        assert not has_form("eth_getLogs", [{key: log[key] for key in log if key != name}])


def test_methods_of_development_nodes_may_answer_anything() -> None:
    assert has_form("anvil_setBalance", None)


@contextmanager
def saying(results: dict[str, Any], otherwise: Any) -> Iterator[str]:
    """Serve a node that answers each method with the same result."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            result = results.get(asked["method"], otherwise)
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("nonsense", NONSENSE[1:])
def test_a_node_that_talks_nonsense_is_unavailable(
    nonsense: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infernet.chain.panel._ATTEMPTS", 1)
    with saying({"eth_chainId": "0x1"}, nonsense) as url:
        chain = connect(url)
        for ask in (chain.head, chain.next_timestamp, chain.block_number):
            with pytest.raises(ChainUnavailable, match="as a chain's node does"):
                ask()
        with pytest.raises(ChainUnavailable, match="as a chain's node does"):
            chain.balance("0x" + "11" * 20)  # type: ignore[arg-type]


def test_among_three_a_node_that_talks_nonsense_changes_nothing(anvil: Anvil) -> None:
    with saying({}, "zzz") as url:
        chain = connect([anvil.url, url, f"{anvil.url}/"])
        assert chain.chain_id == 31337
        assert chain.head()[0] == 0
        mad = next(status for status in chain.endpoints if url.endswith(status.name[-5:]))
        assert mad.faults["malformed"] >= 1
