"""Vectors of what an iteration's number changes: masks, caches, tokens, draws, ends of runs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from interpreter.operators import Combine, CombineKind, Copy, Draw, Halt, Mask, Token

from .folds import I8, I16, I32, I64, NONE, values
from .sheet import Array, Case, Sheet, array

ONE = (0, 0, 0, 1)


def mask_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return masks that grow past their columns, and given lengths of every kind."""
    for dtype in (I16, I32, I64):
        for rows, cols, iterations in ((1, 3, 5), (3, 32, 4), (1, 32, 40)):
            sheet = Sheet(values(rng, dtype, rows * cols, "any"), iterations)
            dst = sheet.begin(dtype, rows * cols)
            fill = (dtype.minimum, dtype.maximum, -1)[iterations % 3]
            sheet.add(Mask(dst, dtype, rows, cols, 0, 0, NONE, 0, 0, 0, fill))
            yield sheet.close(f"{iterations} positions of {rows}x{cols} {dtype.name}", "MASK", dst)
        for b_dtype in (I16, I32):
            for given in (b_dtype.minimum, -1, 0, 1, 31, 32, 33, 95, 96, 97, b_dtype.maximum):
                sheet = Sheet(values(rng, dtype, 2 * 96, "any"))
                b = sheet.source(array(b_dtype, [50, given, 60]))
                dst = sheet.begin(dtype, 2 * 96)
                sheet.add(Mask(dst, dtype, 2, 96, 0, b, b_dtype, 1, 3, 1, 77))
                name = f"{given} of 96 {dtype.name} valid, said in {b_dtype.name}"
                yield sheet.close(name, "MASK", dst)


def cache_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return keys that are appended to rows and values to columns, from first slot to last."""
    for dtype in (I8, I16, I64):
        for heads, width, context in ((2, 8, 5), (1, 40, 6), (2, 16, 32)):
            data = values(rng, dtype, heads * width * 2 + context, "any")
            for is_row in (True, False):
                sheet = Sheet(data, context)
                count = heads * width * context
                kept = sheet.keep(dtype, count)
                if is_row:
                    sizes = (1, 1, heads, width)
                    places = (0, (0, 0, width, 1), 0, (0, 0, context * width, 1), 1, width)
                else:
                    sizes = (1, 1, heads * width, 1)
                    places = (0, (0, 0, 1, 0), 0, (0, 0, context, 1), 1, 1)
                sheet.add(Copy(kept, 0, dtype, len(data), count, sizes, *places))
                what = "rows" if is_row else "columns"
                name = f"{what} of {heads} heads of {width} {dtype.name}, {context} positions"
                yield sheet.close(name, "COPY", kept)


def kept_cases() -> Iterator[Case]:
    """Return a tensor that each iteration changes: zeros at first, itself ever after."""
    for iterations in (1, 2, 5):
        sheet = Sheet(array(I64, range(-20, 20)), iterations)
        kept = sheet.keep(I64, 40)
        grown = sheet.begin(I64, 40)
        head = (grown, I64, 1, 40, kept, 0, I64, I64, CombineKind.ADD, 0, 0)
        sheet.add(Combine(*head, -(2**63), 2**63 - 1))
        sheet.add(Copy(kept, grown, I64, 40, 40, (1, 1, 1, 40), 0, ONE, 0, ONE))
        yield sheet.close(f"a sum over {iterations} iterations", "KEEP", kept)


def token_cases() -> Iterator[Case]:
    """Return the prompt's tokens, then made ones; lengths and places past every end."""
    made = array(I32, [100, 101, 102])
    for length in (-(2**31), -1, 0, 1, 3, 5, 2**31 - 1):
        for prompt in (1, 5, 7):
            sheet = Sheet(array(I32, [length, 11, 12, 13, 14, 15, 16, 17]), 6)
            b = sheet.source(made)
            dst = sheet.begin(I32, 1)
            sheet.add(Token(dst, 0, b, 8, 0, prompt, 3))
            yield sheet.close(f"a prompt of {length} from place {prompt}", "TOKEN", dst)


def draw_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return draws of several positions: greedy or not, and totals of every kind."""
    for greedy in (0, 1, -1, -(2**31)):
        for total in (1000, 2**63 - 1, 3, 1, 0, -5, -(2**63), 2**24 * 128_256):
            words = values(rng, I32, 75, "ends" if total == 3 else "any")
            words[2] = greedy
            sheet = Sheet(words, 5)
            b = sheet.source(array(I64, [total]))
            dst = sheet.begin(I64, 1)
            sheet.add(Draw(dst, 0, b, 75, 61, 2))
            yield sheet.close(f"below {total}, flag {greedy}", "DRAW", dst)


END = 42


def halt_case(name: str, tokens: Array, length: int, ends: tuple[int, ...]) -> Case:
    """Return a run that writes a token for each position and ends at an end token."""
    count = len(tokens)
    sheet = Sheet(np.concatenate([array(I32, [length]), tokens]), count)
    made = sheet.keep(I32, count)
    token = sheet.begin(I32, 1)
    one = (1, 1, 1, 1)
    sheet.add(Copy(token, 0, I32, count + 1, 1, one, 1, ONE, 0, ONE, 1, 0))
    sheet.add(Copy(made, token, I32, 1, count, one, 0, ONE, 0, ONE, 0, 1))
    return sheet.close(name, "HALT", made, Halt(token, 0, count + 1, 0, ends))


def halt_cases() -> Iterator[Case]:
    """Return end tokens inside the prompt, at its last position, later, and never."""
    texts = {
        "at once": [END, 2, 3, 4, 5],
        "in the middle": [1, 2, END, 4, 5],
        "last": [1, 2, 3, 4, END],
        "twice": [1, END, 3, END, 5],
        "never": [1, 2, 3, 4, 5],
    }
    for name, tokens in texts.items():
        for length in (-(2**31), 0, 1, 2, 3, 4, 5, 6, 2**31 - 1):
            label = f"an end token {name}, prompt of {length}"
            yield halt_case(label, array(I32, tokens), length, (7, END))
    most, least = 2**31 - 1, -(2**31)
    text = array(I32, [0, most, least, 9])
    yield halt_case("0 is no end token when it fills the rest", text, 1, (least,))
    yield halt_case("the largest token ends", text, 1, (most,))
    yield halt_case("the last of sixteen ends", text, 1, (*range(20, 35), 9))


def run_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Return the vectors of all operators of this module."""
    yield from mask_cases(rng)
    yield from cache_cases(rng)
    yield from kept_cases()
    yield from token_cases()
    yield from draw_cases(rng)
    yield from halt_cases()
