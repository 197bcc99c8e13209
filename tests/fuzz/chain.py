"""What a node answers, what contracts return and emit, and what travels beside the chain."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from web3 import Web3
from web3.exceptions import Web3RPCError
from web3.providers.base import BaseProvider

from infernet.audit.errors import InvalidReceipt
from infernet.audit.receipt import read_receipt
from infernet.chain import records
from infernet.chain.abi import functions_of
from infernet.chain.artifacts import CORE, load
from infernet.chain.connection import Chain, revert_data
from infernet.chain.contract import Contract
from infernet.chain.deployment import Deployment
from infernet.chain.endpoints import EndpointFault, response_in
from infernet.chain.errors import ChainError, DeploymentError
from infernet.chain.feed import Feed
from infernet.chain.logs import kinds_of
from infernet.chain.market import Request
from infernet.chain.matters import PAIRINGS
from infernet.chain.panel import QuorumFailure
from infernet.chain.receipts import inclusion_of, is_known, transaction_count
from infernet.chain.records import Address, ProgramRoot, Seconds, Wei
from infernet.chain.reverts import explain, known_errors
from infernet.chain.shapes import has_form
from infernet.chain.signed import signer_of, typed_request
from infernet.store.errors import StoreError
from infernet.store.events import Log
from tests.unit.audit.test_receipt import TEXT

from .harness import Disagreement, Harness
from .mutations import behind_first, of_json

_ADDRESS = Address("0x5FbDB2315678afecb367f032d93F642f64180aa3")
_HASH = "0x" + "5a" * 32
_TOPIC_BYTES = 32
_KEY = "0x" + "11" * 32
# What the connection takes away, too.
_UNUSED = (
    "gas_price_strategy",
    "ens_name_to_address",
    "attrdict",
    "validation",
    "gas_estimate",
)


class _Node(BaseProvider):  # type: ignore[misc]
    """A node that answers with one result, if it has the question's form; else with a block."""

    result: Any = None
    is_asked = False

    def make_request(self, method: Any, params: Any) -> Any:
        result = _BLOCK if self.is_asked else self.result
        self.is_asked = True
        if not has_form(str(method), result):
            raise QuorumFailure("the answer has another form", is_absent=False)
        return {"jsonrpc": "2.0", "id": 0, "result": result}

    def tell(self, result: Any) -> None:
        """Answer the next question so."""
        self.result, self.is_asked = result, False


@cache
def _chain() -> tuple[_Node, Chain]:
    node = _Node()
    web3 = Web3(node)
    for unused in _UNUSED:
        web3.middleware_onion.remove(unused)
    return node, Chain(web3, "a node", 31_337)


# Answers

_BLOCK = {"number": "0x5", "hash": _HASH, "parentHash": _HASH, "timestamp": "0x66", "x": None}
_LOG = {
    "address": _ADDRESS.lower(),
    "topics": [_HASH],
    "data": "0x",
    "blockNumber": "0x5",
    "blockHash": _HASH,
    "transactionHash": _HASH,
    "logIndex": "0x0",
}
_RECEIPT = {
    "transactionHash": _HASH,
    "blockHash": _HASH,
    "blockNumber": "0x5",
    "status": "0x1",
    "gasUsed": "0x5208",
    "effectiveGasPrice": "0x1",
    "contractAddress": None,
}


def _fill(chain: Chain) -> None:
    """Read logs as a feed does, and keep them as its index does."""
    feed = Feed(chain, [_ADDRESS], 0, pairings=PAIRINGS)
    logs = feed._logs(0, 9)
    feed.index.replace(0, logs, 9, bytes(32))
    for log in feed.index.select(bytes.fromhex(_ADDRESS[2:]), bytes.fromhex(_HASH[2:])):
        assert log in logs


def _included(chain: Chain) -> None:
    inclusion_of(chain, [bytes(32)])


_QUESTIONS: tuple[tuple[Callable[[Chain], object], Any], ...] = (
    (lambda chain: chain.block("latest"), _BLOCK),
    (lambda chain: chain.block(bytes(32)), _BLOCK),
    (_fill, [_LOG, {**_LOG, "logIndex": "0x1"}]),
    (_included, _RECEIPT),
    (lambda chain: is_known(chain, bytes(32)), {"hash": _HASH, "nonce": "0x1"}),
    (lambda chain: transaction_count(chain, _ADDRESS), "0x7"),
    (lambda chain: chain.balance(_ADDRESS), "0x7"),
    (lambda chain: chain.simulate("a call", {"to": _ADDRESS}), "0x5208"),
    (lambda chain: chain.next_timestamp(), _BLOCK),
)


def _answers() -> list[bytes]:
    found = []
    for number, (_, result) in enumerate(_QUESTIONS):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": result})
        found.append(bytes([number]) + body.encode())
    return found


def _answer(data: bytes) -> None:
    """Take a byte for the question and an answer's body, as a connection does."""
    number = data[0] % len(_QUESTIONS) if data else 0
    response = response_in(data[1:])
    node, chain = _chain()
    node.tell(response.get("result"))
    chain._times.clear()
    _QUESTIONS[number][0](chain)


# Views and events


@cache
def _views() -> tuple[tuple[Contract, str], ...]:
    found = []
    for name in CORE:
        contract = Contract(_chain()[1], load(name), _ADDRESS)
        for entry in load(name).abi:
            if entry["type"] == "function" and entry["stateMutability"] in ("view", "pure"):
                found.append((contract, entry["name"]))
    return tuple(found)


def _plain(kind: str, components: list[dict[str, Any]] | None = None) -> Any:
    """Return a value of a type: zeros, and lists of two."""
    if kind.endswith("]"):
        return [_plain(kind[: kind.rindex("[")], components)] * 2
    if kind == "tuple":
        return tuple(_plain(each["type"], each.get("components")) for each in components or ())
    if kind == "address":
        return _ADDRESS
    if kind == "string":
        return "a text"
    if kind.startswith("bytes"):
        return bytes(int(kind[5:] or 3))
    return kind == "bool" if kind == "bool" else 1


def _entry(contract: Contract, function: str) -> dict[str, Any]:
    entries = load(contract.name).abi
    return next(e for e in entries if e["type"] == "function" and e["name"] == function)


def _type_of(entry: dict[str, Any]) -> str:
    if not entry["type"].startswith("tuple"):
        return str(entry["type"])
    inner = ",".join(_type_of(each) for each in entry["components"])
    return f"({inner}){entry['type'].removeprefix('tuple')}"


def _view_seeds() -> list[bytes]:
    found = []
    for number, (contract, function) in enumerate(_views()):
        outputs = _entry(contract, function)["outputs"]
        values = [_plain(each["type"], each.get("components")) for each in outputs]
        found.append(bytes([number]) + encode([_type_of(each) for each in outputs], values))
    return found


def _view(data: bytes) -> None:
    """Take a byte for the view, and what it returns."""
    if not data:
        raise DeploymentError("no view")
    contract, function = _views()[data[0] % len(_views())]
    entry = _entry(contract, function)
    arguments = [_plain(each["type"], each.get("components")) for each in entry["inputs"]]
    _chain()[0].tell(f"0x{data[1:].hex()}")
    outputs = entry["outputs"]
    if len(outputs) == 1 and outputs[0]["type"] == "tuple":
        kind = getattr(records, _record_name(outputs[0]), None)
        if kind is not None:
            contract.view_struct(kind, function, *arguments)
            return
    contract.view(function, *arguments)


def _record_name(output: dict[str, Any]) -> str:
    name = str(output["internalType"]).rpartition(".")[2]
    return {"Assertion": "Asserted", "Game": "GameRecord", "Constants": "?"}.get(name, name)


@cache
def _events() -> tuple[Any, ...]:
    return tuple((e, kinds_of(load(n))[e["name"]]) for n in CORE for e in _event_entries(n))


def _event_entries(name: str) -> list[dict[str, Any]]:
    return [entry for entry in load(name).abi if entry["type"] == "event"]


def _event_seeds() -> list[bytes]:
    found = []
    for number, (entry, _) in enumerate(_events()):
        indexed = [each for each in entry["inputs"] if each["indexed"]]
        others = [each for each in entry["inputs"] if not each["indexed"]]
        topics = b"".join(encode([e["type"]], [_plain(e["type"])]) for e in indexed)
        values = [_plain(each["type"], each.get("components")) for each in others]
        data = encode([_type_of(each) for each in others], values)
        found.append(bytes([number, len(indexed)]) + topics + data)
    return found


def _event(data: bytes) -> None:
    """Take a byte for the event, one for its topics besides the first, these, and its data."""
    if len(data) < 2:
        raise DeploymentError("no event")
    _, kind = _events()[data[0] % len(_events())]
    count, rest = data[1] % 4, data[2:]
    cuts = range(0, count * _TOPIC_BYTES, _TOPIC_BYTES)
    topics = tuple(rest[at : at + _TOPIC_BYTES].ljust(_TOPIC_BYTES, b"\0") for at in cuts)
    body = rest[count * _TOPIC_BYTES :]
    kind.decoded(Log(1, 2, bytes(20), (kind.topic0, *topics), body, bytes(32), bytes(32)))


@cache
def _functions() -> tuple[Any, ...]:
    found = functions_of(load("DisputeGame"))
    return tuple(found[name] for name in ("prove", "openWithProof", "open", "dissect", "commit"))


def _call_seeds() -> list[bytes]:
    entries = {e["name"]: e for e in load("DisputeGame").abi if e["type"] == "function"}
    return [
        kind.encoded(tuple(_plain(each["type"]) for each in entries[kind.name]["inputs"]))
        for kind in _functions()
    ]


def _call(data: bytes) -> None:
    """Read a move's calldata; what is none of a move is None."""
    found = {kind: kind.arguments_in(data) for kind in _functions()}
    given = {kind: arguments for kind, arguments in found.items() if arguments is not None}
    for kind, arguments in given.items():
        if kind.arguments_in(kind.encoded(arguments)) != arguments:
            raise Disagreement(f"{kind.name}: arguments change when they are encoded")
    if not given:
        raise DeploymentError("no move")


# Refusals


def _revert_seeds() -> list[bytes]:
    found = [bytes.fromhex("08c379a0") + encode(["string"], ["no room"])]
    found.append(bytes.fromhex("4e487b71") + encode(["uint256"], [17]))
    for selector, entry in known_errors().items():
        types = [_type_of(each) for each in entry["inputs"]]
        values = [_plain(each["type"], each.get("components")) for each in entry["inputs"]]
        found.append(selector + encode(types, values))
    return found


def _revert(data: bytes) -> None:
    if not explain("a call", data).error:
        raise DeploymentError("it is of no known error")


def _revert_texts() -> list[bytes]:
    plain = "0x08c379a0" + "00" * 32
    return [plain.encode(), f"execution reverted: {plain}".encode(), b"b'\\x08\\xc3'", b'b"a\'b"']


def _revert_text(data: bytes) -> None:
    error = Web3RPCError("refused")
    error.data = data.decode("utf-8", "replace")
    if not revert_data(error):
        raise DeploymentError("there is no data in it")


# Beside the chain


def _deployments() -> list[bytes]:
    return [Deployment(31_337, 5, *([_ADDRESS] * 5)).to_json().encode()]


def _deployment(data: bytes) -> None:
    found = Deployment.from_json(data.decode("utf-8"))
    assert Deployment.from_json(found.to_json()) == found
    Feed(_chain()[1], [found.market], found.block)
    Contract(_chain()[1], load("TaskMarket"), found.market)


def _receipt(data: bytes) -> None:
    receipt = read_receipt(data.decode("utf-8"))
    if read_receipt(receipt.to_json()) != receipt:
        raise Disagreement("a receipt changes when it is written")


@cache
def _signed() -> tuple[dict[str, Any], bytes, str]:
    request = Request(ProgramRoot(bytes(32)), Wei(5), Seconds(9), 1)
    typed = typed_request(31_337, _ADDRESS, request, bytes(32), is_carried=True)
    account = Account.from_key(_KEY)
    signature = bytes(account.sign_typed_data(full_message=typed).signature)
    return typed, signature, str(account.address)


def _signature(data: bytes) -> None:
    """Take a signature; no other bytes than the true ones are the signer's."""
    typed, signature, address = _signed()
    found = signer_of(typed, data)
    if found == address and data != signature:
        raise Disagreement("two signatures of one request are one account's")
    if found is None:
        raise DeploymentError("nobody has signed so")


_CHAIN = (ChainError,)
HARNESSES = (
    Harness(
        "node-answer",
        _answers,
        _answer,
        (ChainError, EndpointFault, StoreError),
        behind_first(of_json),
    ),
    Harness("view", _view_seeds, _view, _CHAIN),
    Harness("event", _event_seeds, _event, _CHAIN),
    Harness("calldata", _call_seeds, _call, _CHAIN),
    Harness("revert", _revert_seeds, _revert, _CHAIN),
    Harness("revert-text", _revert_texts, _revert_text, _CHAIN),
    Harness("deployment", _deployments, _deployment, (ChainError, UnicodeDecodeError), of_json),
    Harness(
        "receipt",
        lambda: [TEXT.encode()],
        _receipt,
        (InvalidReceipt, UnicodeDecodeError),
        of_json,
    ),
    Harness("signature", lambda: [_signed()[1]], _signature, _CHAIN),
)
