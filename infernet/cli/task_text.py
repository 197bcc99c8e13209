"""A text as the input of a task: flags, and what a program runs on."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from infernet.client import Text
from infernet.config import ConfigError
from infernet.models.errors import InvalidInput
from infernet.models.text import Codec, Sampling, request_seed

Prompt = Annotated[
    str | None, typer.Option("--text", help="For a model of text, instead of files.")
]
MaxTokens = Annotated[
    int | None, typer.Option(min=1, help="Tokens to make after --text; default: as many as fit.")
]
Temperature = Annotated[
    float, typer.Option(min=0.0, help="Of --text; 0 takes the likeliest token.")
]
Seed = Annotated[int | None, typer.Option(help="Of --text; default: a drawn one.")]

_SEED_BITS = 63


def text_of(
    prompt: str | None, max_tokens: int | None, temperature: float, seed: int | None
) -> Text | None:
    """Return the text that flags ask for, None without one; raises ConfigError."""
    if prompt is not None:
        return Text(prompt, max_tokens, temperature, seed)
    if max_tokens is not None or temperature or seed is not None:
        raise ConfigError("--max-tokens, --temperature and --seed are for --text; give that too")
    return None


def run_of(model: str, text: Text) -> tuple[bytes, int]:
    """Return a program's input and how many iterations it runs; raises ModelError.

    `model`: its name or folder. Raises InvalidInput for a text that does not fit.
    """
    assert isinstance(text.prompt, str)
    codec = Codec.of(model)
    seed = text.seed
    if seed is None:
        seed = secrets.randbits(_SEED_BITS) if text.temperature else 0
    tokens, most = codec.tokens_of(text.prompt), codec.text.positions
    if len(tokens) > most:
        raise InvalidInput(f"the text has {len(tokens)} tokens; '{model}' takes {most}")
    sampling = Sampling(text.max_tokens, text.temperature, request_seed(seed))
    found = codec.encode_request(tokens, sampling)
    return found.data.tobytes(), found.iterations
