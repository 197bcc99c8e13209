"""The product that requantises: `Float32Lib.rescale` against IEEE 754 binary32."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from .algebra import Words
from .solidity import Contract, Node
from .theorem import Goal, Mutant, Theorem, obligations

SOURCE = "libraries/Float32Lib.sol"
FLOAT, NEAREST = z3.Float32(), z3.RNE()
SATURATION = 1 << 32
MOST_SHIFT = 149
WORD = z3.BitVecSort(256)
STAGES = (("rounded", 2), ("moved", 2), ("halved", 3))


def _bit_length(tree: Node) -> Iterator[Goal]:
    low = z3.BitVec("value", 128)
    value = z3.ZeroExt(128, low)
    algebra = Words()
    length = Contract(tree, algebra).call("_bitLength", value)
    yield obligations(algebra, [])
    one = z3.BitVecVal(1, 256)
    least = z3.And(z3.ULT(value, one << length), z3.ULE(z3.LShR(one << length, 1), value))
    yield Goal("2^(length-1) <= value < 2^length", [value != 0], least)
    yield Goal("0 has no bits", [value == 0], length == 0)


def _half_even(tree: Node) -> Iterator[Goal]:
    value = z3.ZeroExt(168, z3.BitVec("value", 88))
    for shift in range(1, MOST_SHIFT + 1):
        contract = Contract(tree, Words())
        quotient = contract.call("_shiftHalfEven", value, z3.BitVecVal(shift, 256))
        scaled, unit = quotient << shift, 1 << shift
        # Everything lies below 2^240.
        error = z3.If(z3.UGE(value, scaled), value - scaled, scaled - value)
        is_even = z3.Extract(0, 0, quotient) == 0
        nearest = z3.And(z3.ULE(2 * error, unit), z3.Implies(2 * error == unit, is_even))
        yield Goal(f"shift {shift}: nearest", [], z3.And(z3.ULE(quotient, 1 << 88), nearest))


def _to_mantissa(tree: Node) -> Iterator[Goal]:
    low = z3.BitVec("magnitude", 64)
    value = z3.ZeroExt(192, low)
    algebra = Words()
    mantissa, shift = Contract(tree, algebra).call("_toMantissa", value)
    given = [z3.ULE(low, 1 << 63)]
    yield obligations(algebra, given)
    yield Goal("24 bits, or 2^24", given, z3.ULE(mantissa, 1 << 24))
    yield Goal("the shift fits", given, z3.ULE(shift, 40))
    whole = z3.Extract(71, 0, mantissa << shift)
    ieee = z3.fpUnsignedToFP(NEAREST, low, FLOAT)
    same = z3.fpEQ(ieee, z3.fpUnsignedToFP(NEAREST, whole, FLOAT))
    yield Goal("mantissa · 2^shift is the binary32 of the magnitude", given, same)


def _rescale(tree: Node) -> Iterator[Goal]:
    """The stages are any functions with the bounds that their own theorems give."""
    narrow, bits = z3.BitVec("value", 64), z3.BitVec("scale", 32)
    value, scale = z3.SignExt(192, narrow), z3.ZeroExt(224, bits)
    rounded, moved, halved = (z3.Function(name, *[WORD] * n) for name, n in STAGES)
    stages = {
        "_toMantissa": lambda magnitude: (rounded(magnitude), moved(magnitude)),
        "_shiftHalfEven": lambda magnitude, shift: halved(magnitude, shift),
    }
    algebra = Words()
    result = Contract(tree, algebra, stages).call("rescale", value, scale)
    biased = z3.LShR(scale, 23)
    usable = z3.And(z3.ULE(1, biased), z3.ULE(biased, 254), narrow != 0)
    yield Goal("0 and any other scale give 0", [z3.Not(usable)], result == 0)

    magnitude = z3.If(value < 0, -value, value)
    first = rounded(magnitude)
    product = first * (scale & 0x7FFFFF | 0x800000)
    second = rounded(product)
    given = [usable, z3.ULE(first, 1 << 24), z3.ULE(second, 1 << 24), second != 0]
    given += [z3.ULE(moved(magnitude), 40), z3.ULE(moved(product), 40)]
    exponent = biased - 150 + moved(magnitude) + moved(product)
    up = z3.If(exponent > 200, z3.BitVecVal(200, 256), exponent)
    exact = z3.If(exponent < 0, halved(second, -exponent), second << up)
    cut = z3.If(z3.UGT(exact, SATURATION), z3.BitVecVal(SATURATION, 256), exact)
    wanted = z3.If(value < 0, -cut, cut)
    yield Goal("rint of the binary32 product of the binary32 of the value", given, result == wanted)
    small = z3.And(z3.ULE(magnitude, 1 << 63), z3.ULT(product, 1 << 49))
    yield Goal("the stages stay in the ranges of their theorems", given, small)
    reach = z3.Implies(exponent < 0, z3.And(z3.ULE(1, -exponent), z3.ULE(-exponent, 149)))
    yield Goal("so does the last shift", given, reach)


THEOREMS = (
    Theorem(
        "bit-length",
        "_bitLength(v) is the number of bits of v",
        "v < 2^128",
        SOURCE,
        _bit_length,
        (Mutant("lt(0xffff, value)", "lt(0xfff, value)"),),
    ),
    Theorem(
        "half-even",
        "_shiftHalfEven(v, s) is v / 2^s rounded to the nearest integer, ties to even",
        "v < 2^88, 1 <= s <= 149",
        SOURCE,
        _half_even,
        (
            Mutant(
                "remainder > half || (remainder == half && quotient & 1 == 1)", "remainder >= half"
            ),
            Mutant(
                "uint256 half = uint256(1) << (shift - 1);", "uint256 half = uint256(1) << shift;"
            ),
        ),
    ),
    Theorem(
        "mantissa",
        "_toMantissa(v) is v rounded to binary32, nearest even, as IEEE 754 converts it",
        "v <= 2^63",
        SOURCE,
        _to_mantissa,
        (Mutant("_bitLength(magnitude) - 24", "_bitLength(magnitude) - 23"),),
    ),
    Theorem(
        "rescale",
        "rescale(v, s) = rint(fl(fl(v) · s)), saturated at 2^32, where fl is theorem mantissa's"
        " rounding and rint theorem half-even's; both are used inside their ranges",
        "every int64 v; every 32-bit pattern s",
        SOURCE,
        _rescale,
        (
            Mutant("int256(biased) - 150", "int256(biased) - 149"),
            Mutant(
                "uint256(exponent) < 40 ? uint256(exponent) : 40",
                "uint256(exponent) < 7 ? uint256(exponent) : 7",
            ),
            Mutant("(scaleBits & 0x7fffff) | 0x800000)", "(scaleBits & 0x7fffff))"),
        ),
    ),
)
