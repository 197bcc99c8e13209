"""The messages of a chat as one framed text: its template alone writes marks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypedDict

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .errors import InvalidInput
from .text_reader import Reader

# For any character of a message: what a template makes of it is no mark.
_NEUTRAL = "\ue000"


class Message(TypedDict):
    """One message of a chat: who says what."""

    role: str
    content: str


def framed_chat(template: str, messages: Sequence[Message], reader: Reader, begin: str = "") -> str:
    """Return a chat as framed text, ready for its answer. `begin`: framed text before it.

    Raises InvalidInput for messages that the template does not take, and for those that have it
    write other marks than it writes around any messages.
    """
    neutral = [
        Message(role=each["role"], content=re.sub(r"\S", _NEUTRAL, each["content"]))
        for each in messages
    ]
    found, plain = (begin + _rendered(template, each, reader) for each in (messages, neutral))
    if reader.marks(found) != reader.marks(plain):
        raise InvalidInput(
            "these messages would write special tokens through the chat template; it alone frames "
            "a chat"
        )
    return found


def check_template(template: str) -> None:
    """Raise jinja2's TemplateError for a chat template that cannot be rendered."""
    try:
        _environment().from_string(template)
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None


def _rendered(template: str, messages: Sequence[Message], reader: Reader) -> str:
    broken = [
        Message(role=reader.broken(each["role"]), content=reader.broken(each["content"]))
        for each in messages
    ]
    try:
        return (
            _environment()
            .from_string(template)
            .render(messages=broken, bos_token="", eos_token="", add_generation_prompt=True)
        )
    # A template is a stranger's program: it raises whatever it does.
    except Exception as error:  # noqa: BLE001
        raise InvalidInput(
            f"the chat template does not take these messages: {str(error) or repr(error)}"
        ) from None


def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.globals["raise_exception"] = _refuse
    # Jinja's own escapes what is not safe in HTML, breaks among it.
    environment.filters["tojson"] = _json
    return environment


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _refuse(message: str) -> None:
    raise TemplateError(message)
