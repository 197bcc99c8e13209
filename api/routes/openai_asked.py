"""From a request in OpenAI's protocol to the tasks that it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from fastapi import Request
from pydantic import ValidationError

from infernet.chain.records import Wei
from infernet.models.text import Prompt, request_seed
from infernet.models.text_chat import Message

from ..errors import InvalidMember
from ..schemas.openai import (
    UNSUPPORTED,
    Asked,
    ChatGiven,
    CompletionGiven,
    EmbeddingsGiven,
    Sampled,
)
from ..service.terms import TextInput, Wish
from ..service.text import fresh_seed
from .intake import content_of

A = TypeVar("A", bound=Asked)

_CODES = {
    "extra_forbidden": "unknown_parameter",
    "missing": "missing_required_parameter",
    UNSUPPORTED: UNSUPPORTED,
}
_WORDS = {
    "extra_forbidden": "this gateway knows no such member; leave it out",
    "model_type": "it has to be an object",
    "dict_type": "it has to be an object",
}
_COMPLETION_TOKENS = 16
_TEMPERATURE = 1.0


async def asked(kind: type[A], request: Request) -> A:
    """Return what a body asks for; raises InvalidMember, MalformedBody or UnsupportedType."""
    content = await content_of(request)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise _fault(error, content) from None


def seed_of(given: Sampled, idempotency_key: str | None) -> int | None:
    """Return the seed that a request is run with, None for one that needs none."""
    if given.temperature == 0:
        return None
    return fresh_seed(idempotency_key) if given.seed is None else given.seed


def chat_wish(given: ChatGiven, seed: int | None) -> Wish:
    """Return the task of a chat."""
    if given.max_tokens is not None and given.max_completion_tokens is not None:
        raise InvalidMember("max_tokens", "max_completion_tokens says it too", "invalid_value")
    messages = [
        Message(
            role="system" if each.role == "developer" else each.role,
            content=each.content
            if isinstance(each.content, str)
            else "".join(part.text for part in each.content),
        )
        for each in given.messages
    ]
    most = given.max_completion_tokens or given.max_tokens
    return _made(given, messages, most, seed, "messages")


def completion_wish(given: CompletionGiven, seed: int | None) -> Wish:
    """Return the task of a completion."""
    prompts = _prompts_in(given.prompt)
    if len(prompts) != 1 or prompts[0] == []:
        raise InvalidMember(
            "prompt", "one prompt is served at a time; send a request for each", "invalid_value"
        )
    return _made(given, prompts[0], given.max_tokens or _COMPLETION_TOKENS, seed, "prompt")


def embedding_wishes(given: EmbeddingsGiven) -> list[Wish]:
    """Return a task for each of the inputs."""
    prompts = _prompts_in(given.input)
    if not all(prompts):
        raise InvalidMember("input", "it may not be empty", "invalid_value")
    return [_wish(given, TextInput(prompt, task="embed", member="input")) for prompt in prompts]


def _prompts_in(found: str | list[str] | list[int] | list[list[int]]) -> list[Prompt]:
    """Return the prompts in a member that holds one or several, as text or as tokens."""
    if isinstance(found, str):
        return [found]
    tokens = [each for each in found if isinstance(each, int)]
    if len(tokens) == len(found):
        return [tokens]
    return [each for each in found if not isinstance(each, int)]


def stops_of(given: Sampled) -> Sequence[str]:
    """Return before what the text ends."""
    if given.stop is None:
        return ()
    return (given.stop,) if isinstance(given.stop, str) else given.stop


def _made(given: Sampled, prompt: Prompt, most: int | None, seed: int | None, member: str) -> Wish:
    temperature = _TEMPERATURE if given.temperature is None else given.temperature
    number = request_seed(0 if seed is None else seed)
    return _wish(given, TextInput(prompt, most, temperature, number, "generate", member))


def _wish(given: Asked, text: TextInput) -> Wish:
    own = given.infernet
    fee = None if own.fee_wei is None else Wei(own.fee_wei)
    return Wish(given.model, text, fee, own.deadline_seconds)


def _fault(error: ValidationError, content: Any) -> InvalidMember:
    """Return the first thing that is wrong; of a choice of forms, the one that came closest."""
    errors = error.errors(include_url=False)
    first = [each for each in errors if each["loc"][:1] == errors[0]["loc"][:1]]
    # Whatever has the right type came closer than what has not.
    found = max(first, key=lambda each: (not each["type"].endswith("_type"), len(each["loc"])))
    member = _member(found["loc"], content, is_missing=found["type"] == "missing")
    what = _WORDS.get(found["type"], found["msg"])
    return InvalidMember(member or "body", what, _CODES.get(found["type"], "invalid_value"))


def _member(loc: tuple[str | int, ...], content: Any, *, is_missing: bool) -> str:
    """Return a place as the protocol writes it: `messages[0].content`."""
    told, here = "", content
    for part in loc:
        if isinstance(part, int) and isinstance(here, list):
            told, here = f"{told}[{part}]", here[part] if part < len(here) else None
        elif isinstance(here, dict) and (part in here or is_missing):
            told, here = f"{told}.{part}" if told else str(part), here.get(part)
        # What is left names the form that was tried.
    return told
