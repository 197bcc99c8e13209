"""An HTTP proxy before a node that drops, delays, repeats, lags and lies as it is told.

`python -m tests.proxy URL [fault=value ...]` runs one until it is interrupted.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, ClassVar

import requests
from eth_utils.crypto import keccak

Json = dict[str, Any]

_SENDS = ("eth_sendRawTransaction", "eth_sendTransaction")
# Where the block of a read stands among its parameters.
_BLOCK_AT = {
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getBalance": 1,
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getStorageAt": 2,
    "eth_getTransactionCount": 1,
}


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong; the fields from `drop` to `truncate` are shares of requests, 0 to 1.

    `drop`: the connection ends before the node is asked; `lose`: after it has answered;
    `duplicate`: the node is asked twice, the second answer counts; `throttle`: 429 with
    `retry_after` in seconds; `fail`: 500; `truncate`: half of the answer's JSON.
    `stale_blocks`: heads and states of so many blocks ago; `lie`: every read is answered wrongly,
    and what is sent is swallowed; `no_pending`: there is no pending block. `methods`: the faults
    touch these alone; None: all.
    """

    drop: float = 0
    lose: float = 0
    delay: float = 0
    duplicate: float = 0
    throttle: float = 0
    fail: float = 0
    truncate: float = 0
    delay_seconds: float = 1
    retry_after: float = 1
    stale_blocks: int = 0
    lie: bool = False
    no_pending: bool = False
    methods: frozenset[str] | None = None


class Proxy:
    """A running proxy. `counts`: requests by method, and faults by their field's name."""

    def __init__(self, upstream: str, faults: Faults, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self.faults = faults
        self._upstream, self._random = upstream, Random(seed)
        self._lock, self._session = threading.Lock(), requests.Session()
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def set(self, **faults: Any) -> None:
        """Have these faults from now on; those not named stay as they are."""
        self.faults = replace(self.faults, **faults)

    def heal(self) -> None:
        """Have no faults from now on."""
        self.faults = Faults()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._session.close()

    def strikes(self, fault: str, method: str) -> bool:
        """Return whether a request is hit, and count it."""
        with self._lock:
            faults = self.faults
            is_meant = faults.methods is None or method in faults.methods
            hit = is_meant and self._random.random() < getattr(faults, fault)
            self.counts[fault] += hit
            return hit

    def count(self, name: str) -> None:
        """Count a request or a fault."""
        with self._lock:
            self.counts[name] += 1

    def ask(self, method: str, params: list[Any]) -> Json:
        """Return the node's answer, as the faults of the moment colour it."""
        faults = self.faults
        is_meant = faults.methods is None or method in faults.methods
        if is_meant and faults.lie and method in _SENDS:
            self.count("lie")
            return {"result": "0x" + keccak(hexstr=str(params[0])).hex()}
        if faults.no_pending and method == "eth_getBlockByNumber" and params[0] == "pending":
            self.count("no_pending")
            return {"result": None}
        if is_meant and faults.stale_blocks and method not in _SENDS:
            answer = self._stale(method, params, faults.stale_blocks)
        else:
            answer = self._forward(method, params)
        if is_meant and faults.lie and "result" in answer:
            told = lie(method, answer["result"])
            if told != answer["result"]:
                self.count("lie")
                return {"result": told}
        return answer

    def _stale(self, method: str, params: list[Any], blocks: int) -> Json:
        head = max(0, int(self._forward("eth_blockNumber", [])["result"], 16) - blocks)
        self.count("stale_blocks")
        if method == "eth_blockNumber":
            return {"result": hex(head)}
        if method in ("eth_getTransactionReceipt", "eth_getTransactionByHash"):
            return self._stale_transaction(method, params, head)
        params = list(params)
        if method == "eth_getLogs":
            wanted = dict(params[0])
            first, last = (wanted.get(name, "latest") for name in ("fromBlock", "toBlock"))
            wanted["toBlock"] = hex(min(head, _number(last, head)))
            if _number(first, head) > head:
                return {"result": []}
            return self._forward(method, [wanted])
        if method in _BLOCK_AT:
            place = _BLOCK_AT[method]
            params += ["latest"] * (place + 1 - len(params))
            asked = _number(params[place], head)
            if asked > head:
                if method == "eth_getBlockByNumber":
                    return {"result": None}
                return {"error": {"code": -32000, "message": "header not found"}}
            params[place] = hex(asked)
        return self._forward(method, params)

    def _stale_transaction(self, method: str, params: list[Any], head: int) -> Json:
        answer = self._forward(method, params)
        found = answer.get("result")
        if not found or not found.get("blockNumber") or int(found["blockNumber"], 16) <= head:
            return answer
        return {"result": None}

    def _forward(self, method: str, params: list[Any]) -> Json:
        body: Any = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer: Json = self._session.post(self._upstream, json=body, timeout=60).json()
        return {key: answer[key] for key in ("result", "error") if key in answer}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small answers would wait for the other side's acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1
    proxy: ClassVar[Proxy]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        first = body[0] if isinstance(body, list) else body
        method, proxy = first["method"], self.proxy
        if proxy.strikes("delay", method):
            time.sleep(proxy.faults.delay_seconds)
        if proxy.strikes("drop", method):
            return self._hang_up()
        if proxy.strikes("throttle", method):
            return self._answer(429, b"", {"Retry-After": str(proxy.faults.retry_after)})
        if proxy.strikes("fail", method):
            return self._answer(500, b"internal error", {})
        try:
            answer = self._ask(body)
            if proxy.strikes("duplicate", method):
                answer = self._ask(body)
        except (requests.RequestException, ValueError):
            # The node itself is gone.
            return self._hang_up()
        if proxy.strikes("lose", method):
            return self._hang_up()
        content = json.dumps(answer).encode()
        if proxy.strikes("truncate", method):
            content = content[: len(content) // 2]
        return self._answer(200, content, {"Content-Type": "application/json"})

    def _ask(self, body: Any) -> Any:
        if isinstance(body, list):
            return [self._ask(one) for one in body]
        self.proxy.count(body["method"])
        answer = self.proxy.ask(body["method"], body.get("params", []))
        return {"jsonrpc": "2.0", "id": body["id"], **answer}

    def _answer(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            # Who asked did not wait.
            self.close_connection = True

    def _hang_up(self) -> None:
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


def lie(method: str, result: Any) -> Any:
    """Return a wrong answer that looks like a right one."""
    match method:
        case "eth_getBalance" | "eth_getTransactionCount":
            return hex(int(result, 16) + 10**18 + 7)
        case "eth_blockNumber":
            return hex(int(result, 16) + 1000)
        case "eth_estimateGas":
            return hex(21_000)
        case "eth_maxPriorityFeePerGas" | "eth_gasPrice":
            return hex(int(result, 16) * 1_000 + 10**12)
        case "eth_call" | "eth_getCode" | "eth_getStorageAt" if result not in ("0x", None):
            return result[:-1] + format(int(result[-1], 16) ^ 1, "x")
        case "eth_getLogs":
            return [{**log, "data": lie("eth_call", log["data"])} for log in result[1:]]
        case "eth_getTransactionReceipt" if result:
            return {**result, "status": hex(1 - int(result["status"], 16))}
        case "eth_getTransactionByHash":
            return None
        case "eth_getBlockByNumber" if result:
            time_ = hex(int(result["timestamp"], 16) + 100_000)
            return {**result, "timestamp": time_, "hash": "0x" + "13" * 32}
    return result


def _number(block: Any, head: int) -> int:
    if block in ("latest", "pending", "safe", "finalized"):
        return head
    return 0 if block == "earliest" else int(block, 16)


@contextmanager
def faulty(url: str, seed: int = 1, **faults: Any) -> Iterator[Proxy]:
    """Give a proxy before the node at `url`; `faults`: fields of Faults."""
    proxy = Proxy(url, Faults(**faults), seed)
    try:
        yield proxy
    finally:
        proxy.close()


def main() -> None:
    """Run a proxy for trying by hand."""
    upstream, *words = sys.argv[1:]
    faults = {name: json.loads(value) for name, value in (word.split("=") for word in words)}
    with faulty(upstream, **faults) as proxy:
        print(proxy.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
