"""The input of a decoder's program: what is asked, how to sample, and the prompt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from interpreter.operators.token import SEED_WORDS

from ..errors import InvalidInput

# Places in the input, i32 elements.
LENGTH, GREEDY, COLDNESS, SEED = 0, 1, 2, 3
PROMPT = SEED + SEED_WORDS

SEED_BYTES = 4 * SEED_WORDS
# Logits are multiplied by `coldness / 2**COLDNESS_BITS`: temperature 1 is 2**11.
COLDNESS_BITS = 16
UNIT_COLDNESS = 1 << 11
# One unit of a logit then passes the whole table of weights, so that only the largest has any.
GREEDY_COLDNESS = 1 << 30
HOTTEST = float(UNIT_COLDNESS)


def input_elements(context: int) -> int:
    """Return the elements of the input of a program for so many positions."""
    return PROMPT + context


def encode_request(
    prompt: Sequence[int],
    context: int,
    vocabulary: int,
    *,
    temperature: float = 0.0,
    seed: bytes = bytes(SEED_BYTES),
) -> npt.NDArray[np.uint8]:
    """Return the input bytes of a request; temperature 0 always takes the likeliest token.

    Raises InvalidInput for a prompt that does not fit, a foreign token or an unusable temperature.
    """
    if not 0 < len(prompt) <= context:
        raise InvalidInput(f"a prompt has 1 to {context} tokens, not {len(prompt)}")
    if not all(0 <= token < vocabulary for token in prompt):
        raise InvalidInput(f"a prompt's tokens are numbers from 0 to {vocabulary - 1}")
    if len(seed) != SEED_BYTES:
        raise InvalidInput(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
    if not 0 <= temperature <= HOTTEST:
        raise InvalidInput(f"temperature {temperature} is not from 0 to {HOTTEST:g}")
    words = np.zeros(input_elements(context), "<i4")
    words[LENGTH] = len(prompt)
    words[GREEDY] = temperature == 0
    words[COLDNESS] = _coldness(temperature)
    words[SEED:PROMPT] = np.frombuffer(seed, "<i4")
    words[PROMPT : PROMPT + len(prompt)] = prompt
    return words.view(np.uint8)


def _coldness(temperature: float) -> int:
    """Return the factor of a temperature; those that leave one choice anyway share the largest."""
    if temperature <= UNIT_COLDNESS / GREEDY_COLDNESS:
        return GREEDY_COLDNESS
    return round(UNIT_COLDNESS / temperature)
