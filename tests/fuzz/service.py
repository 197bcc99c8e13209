"""What clients send to a gateway, what gateways answer to clients and miners."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Coroutine
from functools import cache
from typing import Any

import httpx
import numpy as np
from eth_account import Account
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from PIL import Image
from starlette.exceptions import HTTPException
from tokenizers import Tokenizer

from api.access.errors import AccessError
from api.access.guard import key_in
from api.access.keys import Keys
from api.access.pages import fields_of
from api.errors import GatewayError, InvalidTask
from api.routes import openai_asked
from api.routes.intake import body_as, signed_wish_in, wish_of, wishes_of
from api.schemas.openai import ChatGiven, CompletionGiven, EmbeddingsGiven
from api.schemas.pool import ChallengeGiven, MinerGiven
from api.service.inputs import program_input
from api.service.terms import ArrayInput, Input, PictureInput, TextInput, Wish
from api.service.text import request_for, spoken
from executor.errors import GatewayFailed
from executor.gateway import Gateway, Seat, Session
from infernet.chain.records import Address, ProgramRoot
from infernet.chain.wallet import KeySigner
from infernet.client import answers
from infernet.client.errors import ClientError
from infernet.client.reading import Reply, problem_in, read
from infernet.client.stream import Stream
from infernet.client.talk import Patience
from infernet.models.errors import InvalidInput
from infernet.models.manifest import Text
from infernet.models.pipeline import Model
from infernet.models.store import load_model
from infernet.models.text import Codec
from infernet.models.text_tokenizers import PLAIN_CHAT, of_bytes
from infernet.store.database import open_database

from .harness import Harness
from .mutations import behind_first, of_json

_PIXELS = 1_000_000
_ROOT, _ADDRESS = "0x" + "5a" * 32, "0x5FbDB2315678afecb367f032d93F642f64180aa3"
_CLIENT_ERRORS = (GatewayError, RequestValidationError, HTTPException)


@cache
def _model() -> Model:
    return load_model("digits")


@cache
def _codec() -> Codec:
    parts = of_bytes(is_encoder=False)
    ends, begins = parts.end_tokens, parts.begin_tokens
    text = Text("generate", 64, parts.vocabulary, ends, begins, PLAIN_CHAT)
    return Codec(text, Tokenizer.from_str(parts.tokenizer))


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def _take(wish: Wish) -> None:
    """Make a program's input of what was sent, as accepting a task does."""
    if isinstance(wish.input, TextInput):
        request_for(_codec(), wish.input)
    else:
        program_input(_model(), wish.input, _PIXELS)


# Requests: a line with the type, a line with the query, then the body.


def _request(data: bytes) -> Request:
    kind, _, rest = data.partition(b"\n")
    query, _, body = rest.partition(b"\n")
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/tasks",
        "headers": [(b"content-type", kind), (b"idempotency-key", b"key")],
        "query_string": query,
        # With one, a bad form is an answer, as it is in the gateway.
        "app": None,
    }
    told = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(told, {"type": "http.disconnect"})

    return Request(scope, receive)


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("L", (8, 8), 7).save(file, "PNG")
    return file.getvalue()


def _npy() -> bytes:
    coding = _model().manifest.input
    file = io.BytesIO()
    np.save(file, np.zeros(coding.source_shape, coding.source_dtype))
    return file.getvalue()


def _tensor() -> Any:
    coding = _model().manifest.input
    return np.zeros(coding.source_shape, coding.source_dtype).tolist()


def _json_tasks() -> list[dict[str, Any]]:
    terms = {"model": "digits", "fee_wei": "5", "deadline_seconds": 60, "iterations": 1}
    text = {"text": "one", "max_tokens": 4, "temperature": 1.0, "seed": 5}
    chat = {"messages": [{"role": "user", "content": "one"}], "max_tokens": 4}
    return [{**terms, "input": each} for each in ({"tensor": _tensor()}, text, chat)]


def _form() -> bytes:
    parts = (
        b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\ndigits\r\n',
        b'--x\r\nContent-Disposition: form-data; name="input"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + _png() + b"\r\n--x--\r\n",
    )
    return b"multipart/form-data; boundary=x\n\n" + b"".join(parts)


def _task_requests() -> list[bytes]:
    query = b"model=digits&fee_wei=5&iterations=1\n"
    found = [b"image/png\n" + query + _png(), b"application/x-npy\n" + query + _npy(), _form()]
    for each in _json_tasks():
        found.append(b"application/json\n\n" + json.dumps(each).encode())
    return found


def _task_request(data: bytes) -> None:
    _take(_run(wish_of(_request(data))))


def _json_body(data: bytes) -> Request:
    return _request(b"application/json\n\n" + data)


def _batch(data: bytes) -> None:
    for wish in _run(wishes_of(_json_body(data))):
        _take(wish)


def _signed_bodies() -> list[bytes]:
    data = {"raw": "AA" * 8}
    terms = {"model": "digits", "requester": _ADDRESS, "fee_wei": "5", "deadline": 9, "nonce": 1}
    return [json.dumps({**terms, "signature": "0x" + "11" * 65, "input": data}).encode()]


def _signed(data: bytes) -> None:
    from api.routes.intake import parsed

    wish = signed_wish_in(parsed(data))
    assert len(wish.signature) == 65


def _input(kind: type[ArrayInput] | type[PictureInput], data: bytes) -> None:
    given: Input = kind(data)
    program_input(_model(), given, _PIXELS)


# OpenAI's protocol

_PROTOCOL: tuple[tuple[Any, Any], ...] = (
    (ChatGiven, lambda given: [openai_asked.chat_wish(given, 5)]),
    (CompletionGiven, lambda given: [openai_asked.completion_wish(given, 5)]),
    (EmbeddingsGiven, openai_asked.embedding_wishes),
)


def _protocol_bodies() -> list[bytes]:
    chat = {"messages": [{"role": "user", "content": [{"type": "text", "text": "one"}]}]}
    bodies = (
        {"model": "m", "max_tokens": 4, "stop": ["x"], "stream": True, **chat},
        {"model": "m", "prompt": [1, 2], "temperature": 0.5, "max_tokens": 4},
        {"model": "m", "input": ["one"], "encoding_format": "base64"},
    )
    return [bytes([number]) + json.dumps(each).encode() for number, each in enumerate(bodies)]


def _protocol(data: bytes) -> None:
    kind, wishes = _PROTOCOL[data[0] % 3 if data else 0]
    given = _run(openai_asked.asked(kind, _json_body(data[1:])))
    for wish in wishes(given):
        if wish.input.task != "embed":
            _take(wish)


def _spoken_seeds() -> list[bytes]:
    request = _codec().encode_request("one")
    return [request.data.tobytes(), request.data.tobytes() + np.arange(64, dtype="<i4").tobytes()]


def _spoken(data: bytes) -> None:
    """Say what a task of text was asked, and what it said: anybody puts bytes on the chain."""
    size = len(_spoken_seeds()[0])
    output = data[size:].ljust(4 * 64, b"\0")[: 4 * 64] if len(data) > size else None
    spoken(_codec(), data[:size].ljust(size, b"\0"), 64, output)
    if len(data) < size:
        raise InvalidTask("input", "it is too short")


# Keys, forms and the pool


@cache
def _keys() -> Keys:
    return Keys(open_database(None))


def _headers() -> list[bytes]:
    return [b""]


def _header(data: bytes) -> None:
    lines = [(b"authorization", line) for line in data.split(b"\n") if line]
    text = key_in({"type": "http", "headers": lines})
    if text is not None:
        _keys().check(text)


def _form_seeds() -> list[bytes]:
    return [b"token=ab&key=inf_0123456789ab_" + b"0" * 64]


def _page_form(data: bytes) -> None:
    _run(fields_of(_request(b"application/x-www-form-urlencoded\n\n" + data)))


def _members() -> list[bytes]:
    miner = {"address": _ADDRESS, "models": [_ROOT], "nonce": _ROOT, "expires_at": 5}
    bodies = ({"address": _ADDRESS}, {**miner, "signature": "0x" + "11" * 65})
    return [bytes([number]) + json.dumps(each).encode() for number, each in enumerate(bodies)]


def _member(data: bytes) -> None:
    kind = (ChallengeGiven, MinerGiven)[data[0] % 2 if data else 0]
    given = _run(body_as(kind, _json_body(data[1:])))
    if isinstance(given, MinerGiven):
        assert all(len(bytes.fromhex(each[2:])) == 32 for each in (*given.models, given.nonce))
        assert len(bytes.fromhex(given.signature[2:])) == 65


# What gateways answer


def _gateway_answers() -> list[bytes]:
    task = {"id": _ROOT, "program_root": _ROOT, "input_root": _ROOT, "requester": _ADDRESS}
    task |= {"nonce": "1", "iterations": 1, "fee_wei": "5", "deadline": 9, "yours_for_seconds": 1.5}
    work = {"tasks": [task], "cursor": "ab"}
    joined = {"nonce": _ROOT, "expires_at": 5, "token": "inp_1", "head_start_seconds": 5.0}
    joined |= {"absent_seconds": 9.0}
    return [
        bytes([number]) + json.dumps(each).encode() for number, each in enumerate((work, joined))
    ]


@cache
def _seat() -> Seat:
    signer = KeySigner(Account.from_key("0x" + "11" * 32))
    return Seat(signer, 31_337, Address(_ADDRESS), (ProgramRoot(bytes(32)),))


def _gateway_answer(data: bytes) -> None:
    number, content = data[:1], data[1:]
    transport = httpx.MockTransport(
        lambda request: httpx.Response(200, stream=httpx.ByteStream(content))
    )

    async def ask() -> None:
        async with httpx.AsyncClient(transport=transport) as http:
            gateway = Gateway("http://127.0.0.1", http, 5)
            if number == b"\1":
                await gateway.join(_seat())
                return
            tasks, _ = await gateway.work(Session("t", 1.0), 1, None, 0)
            for task in tasks:
                roots = (task.task_id, task.program_root, task.input_root)
                assert all(len(root) == 32 for root in roots)

    _run(ask())


_ANSWERS = (answers.Task, answers.TaskPage, answers.Event, answers.ModelList, answers.Story)


def _client_answers() -> list[bytes]:
    place = {"block": 5, "transaction": _ROOT}
    output = {"finality": "final", "data": "AA==", "highest": []}
    task = {"id": _ROOT, "state": "final", "finality": "final", "model": "digits"}
    task |= {"program_root": _ROOT, "input_root": _ROOT, "requester": _ADDRESS, "iterations": 1}
    task |= {"fee_wei": "5", "deadline": 9, "attempt": 1, "slashed": 0, "executor": None}
    task |= {"assertion_id": None, "claim_deadline": 5, "window_end": None, "output": output}
    task |= {"text": None, "requested": place, "asserted": None, "closed": None, "trouble": None}
    event = {"sequence": 1, "task_id": _ROOT, "kind": "final", "state": "final"}
    event |= {"finality": "final", "data": {}, "at": place, "time": 5}
    return [b"\0" + json.dumps(task).encode(), b"\2" + json.dumps(event).encode()]


def _client_answer(data: bytes) -> None:
    content = data[1:]
    for status in (404, 503):
        said = {"retry-after": content.decode("latin-1")}
        str(problem_in(Reply(status, said, content), 200))
    read(_ANSWERS[data[0] % len(_ANSWERS) if data else 0], content)


def _streams() -> list[bytes]:
    told = _client_answers()[1][1:]
    return [b": still here\n\nevent: x\nid: 1\ndata: " + told + b"\n\n"]


def _stream(data: bytes) -> None:
    stream = Stream(None, None, Patience())
    half = len(data) // 2
    stream.begin()
    for part in (data[:half], data[half:]):
        for _ in stream.feed(part):
            pass


HARNESSES = (
    Harness("task-request", _task_requests, _task_request, _CLIENT_ERRORS, tries=150),
    Harness(
        "task-batch",
        lambda: [json.dumps({"tasks": _json_tasks()}).encode()],
        _batch,
        _CLIENT_ERRORS,
        of_json,
    ),
    Harness("task-signed", _signed_bodies, _signed, _CLIENT_ERRORS, of_json),
    Harness("npy-body", lambda: [_npy()], lambda data: _input(ArrayInput, data), _CLIENT_ERRORS),
    Harness(
        "picture-body", lambda: [_png()], lambda data: _input(PictureInput, data), _CLIENT_ERRORS
    ),
    Harness("openai-body", _protocol_bodies, _protocol, _CLIENT_ERRORS, behind_first(of_json), 150),
    Harness("spoken", _spoken_seeds, _spoken, (GatewayError, InvalidInput)),
    Harness("authorization", _headers, _header, (AccessError,)),
    Harness("page-form", _form_seeds, _page_form, (AccessError,)),
    Harness("pool-member", _members, _member, _CLIENT_ERRORS, behind_first(of_json), 150),
    Harness(
        "gateway-answer",
        _gateway_answers,
        _gateway_answer,
        (GatewayFailed,),
        behind_first(of_json),
        150,
    ),
    Harness(
        "client-answer", _client_answers, _client_answer, (ClientError,), behind_first(of_json)
    ),
    Harness("client-stream", _streams, _stream, (ClientError,)),
)
