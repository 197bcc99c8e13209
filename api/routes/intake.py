"""From a request's body to what the gateway is asked for.

Bodies are read as they are: checking every number of a large tensor one by one would cost more
than all the rest of accepting it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile

from infernet.chain.records import Address, Seconds, Wei
from infernet.models.text import Prompt, request_seed
from infernet.models.text_chat import Message

from ..errors import InvalidTask, MalformedBody, UnsupportedType
from ..schemas.given import MOST_BATCH, MessagesForm, Sampled, SignedTerms, Terms, TextForm
from ..service.terms import (
    ArrayInput,
    Input,
    PictureInput,
    RawInput,
    SignedWish,
    TensorInput,
    TextInput,
    Wish,
)
from ..service.text import fresh_seed

JSON, NPY, RAW, MULTIPART = (
    "application/json",
    "application/x-npy",
    "application/octet-stream",
    "multipart/form-data",
)
IMAGES = ("image/png", "image/jpeg", "image/webp", "image/bmp")
_NUMBERS = ("fee_wei", "deadline_seconds", "iterations")
_DIGITS = re.compile(r"[0-9]{1,29}")
_MOST_PART_BYTES = 64 << 20
_MOST_FIELDS = 8
# Whatever is read here keeps every other request waiting. Only batches of tensors hold many lists.
_MOST_CONTAINERS = 400_000
_MOST_MEMBERS = 32

M = TypeVar("M", bound=BaseModel)


async def wish_of(request: Request) -> Wish:
    """Return the task that a request asks for, whatever form its input has.

    Raises MalformedBody, UnsupportedType, InvalidTask or RequestValidationError.
    """
    kind = media_type(request)
    if kind == JSON:
        return wish_in(parsed(await request.body()), (), _key_of(request))
    if kind == MULTIPART:
        return await _wish_in_form(request)
    given = binary(kind, await request.body())
    return _wish(_checked(Terms, _numbered(_once(request.query_params.multi_items())), ()), given)


async def content_of(request: Request) -> Any:
    """Return what a body of JSON says, or raise MalformedBody or UnsupportedType."""
    if (kind := _kind_of(request)) != JSON:
        raise UnsupportedType(f"Content-Type is '{kind[:80]}'; send {JSON}")
    return parsed(await request.body())


async def body_as(kind: type[M], request: Request) -> M:
    """Return a body of JSON as what it has to be.

    Raises MalformedBody, UnsupportedType or RequestValidationError.
    """
    return _checked(kind, await content_of(request), ())


def wish_in(content: Any, place: tuple[str | int, ...], key: str | None) -> Wish:
    """Return the task in JSON. `place`: where that is, for messages; `key`: of its repetitions."""
    fields, given = _parted(content, place, key)
    return _wish(_checked(Terms, fields, place), given)


async def wishes_of(request: Request) -> list[Wish]:
    """Return the tasks of a batch in JSON, or raise as `wish_of`."""
    content, key = await content_of(request), _key_of(request)
    if not isinstance(content, dict) or list(content) != ["tasks"]:
        _refuse("tasks", "the body has this one member", ())
    tasks = content["tasks"]
    if not isinstance(tasks, list):
        _refuse("tasks", "it has to be a list", ())
    if len(tasks) > MOST_BATCH:
        raise InvalidTask("tasks", f"there are {len(tasks)}; 1 to {MOST_BATCH} are accepted")
    return [
        wish_in(each, ("tasks", number), None if key is None else f"{key} {number}")
        for number, each in enumerate(tasks)
    ]


def signed_wish_in(content: Any) -> SignedWish:
    """Return the signed task in JSON."""
    fields, given = _parted(content, (), None)
    terms = _checked(SignedTerms, fields, ())
    return SignedWish(
        terms.model,
        given,
        Address(terms.requester),
        Wei(terms.fee_wei),
        Seconds(terms.deadline),
        terms.nonce,
        bytes.fromhex(terms.signature[2:]),
        terms.iterations,
    )


def media_type(request: Request) -> str:
    """Return the type of a body, without its parameters; raises UnsupportedType."""
    kind = _kind_of(request)
    if kind not in (JSON, NPY, RAW, MULTIPART, *IMAGES):
        names = ", ".join((JSON, NPY, *IMAGES, RAW, MULTIPART))
        raise UnsupportedType(f"Content-Type is '{kind[:80]}'; send one of {names}")
    return kind


def _kind_of(request: Request) -> str:
    found = request.headers.getlist("content-type")
    return found[0].partition(";")[0].strip().lower() if len(found) == 1 else ""


def binary(kind: str, data: bytes) -> Input:
    """Return an input that is no JSON, or raise UnsupportedType."""
    if kind in IMAGES:
        return PictureInput(data)
    if kind == NPY:
        return ArrayInput(data)
    if kind == RAW:
        return RawInput(data)
    raise UnsupportedType(f"an input of type '{kind[:80]}' is not read; see /openapi.json")


def parsed(body: bytes) -> Any:
    """Return what JSON says, or raise MalformedBody."""
    containers = body.count(b"[") + body.count(b"{")
    if containers > _MOST_CONTAINERS:
        raise MalformedBody(
            f"the body has {containers} lists and objects; {_MOST_CONTAINERS} are read at most"
        )
    try:
        # Not the standard library's: that goes as deep as the stack, and past it where another
        # library has raised the interpreter's limit.
        return from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedBody(f"the body is no JSON: {error}") from None


async def _wish_in_form(request: Request) -> Wish:
    form = request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=_MOST_PART_BYTES)
    async with form as parts:
        pairs = parts.multi_items()
        files = [part for _, part in pairs if isinstance(part, UploadFile)]
        texts = [(name, part) for name, part in pairs if isinstance(part, str)]
        if len(files) != 1 or [name for name, part in pairs if part is files[0]] != ["input"]:
            _refuse("input", "one file of this name is needed", ())
        data = await files[0].read()
        kind = (files[0].content_type or "").partition(";")[0].strip().lower()
    return _wish(_checked(Terms, _numbered(_once(texts)), ()), binary(kind, data))


def _key_of(request: Request) -> str | None:
    return request.headers.get("Idempotency-Key")


def _parted(
    content: Any, place: tuple[str | int, ...], key: str | None
) -> tuple[dict[str, Any], Input]:
    """Return the small members, and the input apart from them."""
    if not isinstance(content, dict):
        _refuse("", "it has to be an object", place)
    fields = dict(content)
    if "input" not in fields:
        _refuse("input", "it is missing", place)
    return fields, _input_in(fields.pop("input"), (*place, "input"), key)


def _input_in(given: Any, place: tuple[str | int, ...], key: str | None) -> Input:
    if isinstance(given, dict) and ("text" in given or "messages" in given):
        return _text_in(given, place, key)
    forms = {"tensor": list, "npy": str, "image": str, "raw": str}
    if not isinstance(given, dict) or len(given) != 1 or not given.keys() <= forms.keys():
        _refuse("", f"it is an object with one of {', '.join(forms)}, text, messages", place)
    ((form, value),) = given.items()
    if not isinstance(value, forms[form]):
        what = "a list of numbers" if form == "tensor" else "base64"
        _refuse(form, f"it has to be {what}", place)
    if form == "tensor":
        return TensorInput(value)
    try:
        data = b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        _refuse(form, "it is no base64", place)
    makers = {"npy": ArrayInput, "image": PictureInput, "raw": RawInput}
    return makers[form](data)


def _text_in(given: dict[str, Any], place: tuple[str | int, ...], key: str | None) -> TextInput:
    prompt: Prompt
    if "messages" in given:
        chat = _checked(MessagesForm, given, place)
        form: Sampled = chat
        prompt = [Message(role=each.role, content=each.content) for each in chat.messages]
    else:
        plain = _checked(TextForm, given, place)
        form, prompt = plain, plain.text
    seed = form.seed
    if seed is None:
        seed = fresh_seed(key) if form.temperature else 0
    return TextInput(prompt, form.max_tokens, form.temperature, request_seed(seed))


def _wish(terms: Terms, given: Input) -> Wish:
    fee = None if terms.fee_wei is None else Wei(terms.fee_wei)
    return Wish(terms.model, given, fee, terms.deadline_seconds, terms.iterations)


def _checked(kind: type[M], fields: Any, place: tuple[str | int, ...]) -> M:
    if isinstance(fields, dict) and len(fields) > _MOST_MEMBERS:
        _refuse(
            "", f"it has {len(fields)} members; see /openapi.json for those that there are", place
        )
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        found = [{**each, "loc": (*place, *each["loc"])} for each in error.errors()]
        raise RequestValidationError(found) from None


def _numbered(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return texts of a query or a form, with numbers where numbers belong."""
    return {
        name: int(text) if name in _NUMBERS and _DIGITS.fullmatch(text) else text
        for name, text in texts.items()
    }


def _once(pairs: list[tuple[str, str]]) -> dict[str, str]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InvalidTask("query", "a parameter comes twice")
    return found


def _refuse(field: str, what: str, place: tuple[str | int, ...]) -> NoReturn:
    loc = (*place, field) if field else place
    raise RequestValidationError([{"type": "value_error", "loc": loc, "msg": what, "input": None}])
