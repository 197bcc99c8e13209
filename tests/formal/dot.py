"""The dot product by lanes: `DotLib.dot`."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from .algebra import Integers
from .lanes import WORD_BYTES, Carry, Lane, Lanes, Word, scalar
from .solidity import Contract, Node
from .theorem import Goal, Mutant, Theorem, obligations

SOURCE = "libraries/DotLib.sol"
SIGN_BITS = int.from_bytes(b"\x80" * WORD_BYTES, "big")
MOST_WORDS = 8
X_AT, W_AT = 0, 1 << 20


def _sums(tree: Node) -> Iterator[Goal]:
    for words in range(1, MOST_WORDS + 1):
        biases = (SIGN_BITS, 0) if words % 2 else (0, SIGN_BITS)
        names = [[f"{side}{i}" for i in range(words * WORD_BYTES)] for side in "xw"]
        algebra = Lanes(lambda byte: z3.Int(f"{byte}^128"))

        def load(at: int, names: list[list[str]] = names) -> Word:
            side, start = (1, at - W_AT) if at >= W_AT else (0, at)
            ordered = names[side][start : start + WORD_BYTES]
            # The first byte of memory is the highest of the word.
            return Word({31 - i: Lane(z3.Int(name), 255) for i, name in enumerate(ordered)})

        contract = Contract(tree, algebra, intrinsics={"mload": load})
        end = words * WORD_BYTES
        try:
            found = [scalar(term) for term in contract.call("_sums", X_AT, W_AT, end, *biases)]
        except Carry as carry:
            yield Goal(f"{words} words: {carry}", [], z3.BoolVal(False))
            return
        us, vs = (
            [z3.Int(f"{name}^128" if bias else name) for name in side]
            for side, bias in zip(names, biases, strict=True)
        )
        wanted = (z3.Sum([u * v for u, v in zip(us, vs, strict=True)]), z3.Sum(us), z3.Sum(vs))
        for about, one, other in zip(("products", "us", "vs"), found, wanted, strict=True):
            yield Goal(f"{words} words: {about}", [], one == other)


def _dot(tree: Node) -> Iterator[Goal]:
    byte = z3.BitVec("byte", 8)
    biased = z3.ZeroExt(8, byte ^ 128) == z3.SignExt(8, byte) + 128
    yield Goal("an i8 xor 128 is the u8 that is 128 more", [], biased)
    names = "length padding xZero wZero products xs ws"
    length, padding, x_zero, w_zero, products, xs, ws = z3.Ints(names)
    for x_signed in (False, True):
        for w_signed in (False, True):
            y, z = 128 * x_signed, 128 * w_signed
            n = length + padding
            # Sums of (x + y)·(w + z), x + y, w + z over n elements; padded ones have x = w = 0.
            sums = (products + z * xs + y * ws + n * y * z, xs + n * y, ws + n * z)
            algebra = Integers()
            given = [
                length >= 1,
                length <= 256,
                padding >= 0,
                padding < 32,
                (length + padding) % 32 == 0,
            ]
            given += [x_zero >= -256, x_zero < 256, w_zero >= -256, w_zero < 256]
            given += [t >= -(1 << 24) for t in (products, xs, ws)]
            given += [t <= 1 << 24 for t in (products, xs, ws)]
            contract = Contract(tree, algebra, intrinsics={"_sums": lambda *_, s=sums: s})
            signs = [z3.BoolVal(x_signed), z3.BoolVal(w_signed)]
            found = contract.call("dot", 0, 1 << 20, length, signs[0], x_zero, signs[1], w_zero)
            about = f"{'i8' if x_signed else 'u8'} by {'i8' if w_signed else 'u8'}"
            yield obligations(algebra, given)
            wanted = products - w_zero * xs - x_zero * ws + length * x_zero * w_zero
            yield Goal(about, [*given, *algebra.axioms], found == wanted)


THEOREMS = (
    Theorem(
        "dot-lanes",
        "_sums gives the sums of u·v, u and v over all bytes: no lane carries into the next",
        "1 to 8 words (32 to 256 elements) of any bytes, either side biased by 128",
        SOURCE,
        _sums,
        (
            Mutant(
                "shr(224, mul(and(u, lane), and(shr(24, v), lane)))",
                "shr(224, mul(and(u, lane), and(shr(16, v), lane)))",
            ),
            Mutant(
                "r := add(and(word, mask), and(shr(8, word), mask))",
                "r := add(and(word, mask), and(shr(16, word), mask))",
            ),
            Mutant("r := or(shr(128, r), shl(128, r))", "r := or(shr(128, r), shl(136, r))"),
        ),
    ),
    Theorem(
        "dot-zeros",
        "dot(x, w) = sum of (x - xZero)·(w - wZero) over the elements, the zero padding taken "
        "off, nothing wraps",
        "1 to 256 elements; u8 and i8 on either side; zeros from -256 to 255; sums up to 2^24",
        SOURCE,
        _dot,
        (
            Mutant("if (wSigned) wZero += 128;", "if (xSigned) wZero += 128;"),
            Mutant(
                "(padded - int256(length)) * xZero * wZero", "(padded - int256(length)) * xZero"
            ),
        ),
    ),
)
