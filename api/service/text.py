"""Text to what a program runs on, and what a task of a model of text was asked and said."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from infernet.chain.records import TaskId
from infernet.models.errors import InvalidInput
from infernet.models.manifest import Manifest
from infernet.models.sequence.request import HOTTEST, LENGTH, PROMPT
from infernet.models.text import Codec, Generated, Prompt, Request, Sampling

from ..errors import InvalidTask, PromptTooLong
from .terms import TextInput

# A longer text has no chance to fit; what is shorter is counted in tokens.
_MOST_CHARACTERS_A_TOKEN = 64
# JSON's numbers are exact up to here in JavaScript.
_SEED_BITS = 53


@dataclass(frozen=True, slots=True)
class Spoken:
    """A task of a model of text. `made`: tokens, the end token among them.

    `generated`: None without a result, and of models that make no text. `numbers`: the classes'
    logits or the vector of those.
    """

    prompt: str
    prompt_tokens: int
    made: int = 0
    generated: Generated | None = None
    numbers: tuple[float, ...] = ()


# Of a task: its id, program root, iterations, and output.
Speak = Callable[[TaskId, bytes, int, bytes | None], Spoken | None]


def has_classes(manifest: Manifest) -> bool:
    """Return whether the elements of a model's output stand beside each other as classes do."""
    return manifest.text is None or manifest.text.task == "classify"


def fresh_seed(idempotency_key: str | None) -> int:
    """Return a seed that nobody asked for: random, or the same one for the same key."""
    if idempotency_key is None:
        return secrets.randbits(_SEED_BITS)
    digest = sha256(idempotency_key.encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - _SEED_BITS)


def request_for(codec: Codec, given: TextInput) -> Request:
    """Return what a program runs on for a text.

    Raises InvalidTask, or PromptTooLong for what passes the model's positions: nothing is cut.
    """
    text, member = codec.text, given.member
    if given.task is not None and given.task != text.task:
        raise InvalidTask("model", f"this model is there to {text.task}, not to {given.task}")
    if text.task == "generate":
        _require_temperature(given.temperature)
    elif given.max_tokens is not None:
        raise InvalidTask("max_tokens", "this model makes no tokens; leave it out")
    size = _size(given.prompt)
    if size > text.positions * _MOST_CHARACTERS_A_TOKEN:
        raise PromptTooLong(member, f"it is {size} long; the model takes {text.positions} tokens")
    try:
        tokens = codec.tokens_of(given.prompt)
        _require_room(codec, len(tokens), given)
        sampling = Sampling(given.max_tokens, given.temperature, given.seed)
        return codec.encode_request(tokens, sampling)
    except InvalidInput as error:
        raise InvalidTask(member, str(error)) from None


def spoken(codec: Codec, data: bytes, iterations: int, output: bytes | None) -> Spoken:
    """Return what a task was asked, and what it said if it has an output.

    Raises InvalidInput for bytes that are none of the model's.
    """
    words = np.frombuffer(data, "<i4").tolist()
    is_made = codec.text.task == "generate"
    length, start = (words[LENGTH], PROMPT) if is_made else (words[-1], 0)
    if not 1 <= length <= codec.text.positions:
        raise InvalidInput(f"a prompt has 1 to {codec.text.positions} tokens, not {length}")
    _require_tokens(codec, words[start : start + length])
    prompt = codec.prompt_of(words[start : start + length])
    if output is None:
        return Spoken(prompt, length)
    found = np.frombuffer(output, np.uint8)
    if not is_made:
        return Spoken(prompt, length, numbers=tuple(codec.numbers(found).tolist()))
    # A run ends with the first end token that it makes.
    made = found.view("<i4")[length - 1 : iterations].tolist()
    _require_tokens(codec, made)
    halted = any(token in codec.text.end_tokens for token in made)
    generated = codec.decode_output(found, length, iterations, halted=halted)
    return Spoken(prompt, length, len(generated.tokens) + halted, generated)


def _require_temperature(value: float) -> None:
    if not 0 <= value <= HOTTEST:
        raise InvalidTask("temperature", f"it is from 0 to {HOTTEST:g}")


def _require_room(codec: Codec, tokens: int, given: TextInput) -> None:
    positions, wanted = codec.text.positions, given.max_tokens or 1
    if tokens > positions:
        raise PromptTooLong(given.member, f"it has {tokens} tokens; the model takes {positions}")
    if tokens + wanted - 1 > positions:
        most = positions + 1 - tokens
        raise PromptTooLong("max_tokens", f"after {tokens} tokens the model can make {most}")


def _require_tokens(codec: Codec, tokens: Sequence[int]) -> None:
    """Refuse what is no token: anybody can put any input on chain, and a liar any output."""
    if not all(0 <= token < codec.text.vocabulary for token in tokens):
        raise InvalidInput(f"tokens are numbers from 0 to {codec.text.vocabulary - 1}")


def _size(prompt: Prompt) -> int:
    """Return the characters of a prompt; of tokens, how many they are."""
    if isinstance(prompt, str):
        return len(prompt)
    return sum(1 if isinstance(each, int) else len(each["content"]) for each in prompt)
