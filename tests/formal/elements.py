"""Elements of tensors: `ElementLib.load`, `put` and `wrap`, and `MatmulProver._wideDot`."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from interpreter.tensors import DType

from .algebra import Term, Words
from .solidity import Contract, Node
from .theorem import Goal, Mutant, Theorem, obligations


def _little_endian(memory: Term, dtype: DType) -> Term:
    """Return the element of which a word of memory begins with the bytes."""
    parts = [z3.Extract(255 - 8 * i, 248 - 8 * i, memory) for i in range(dtype.size)]
    whole = z3.Concat(*reversed(parts)) if len(parts) > 1 else parts[0]
    extend = z3.ZeroExt if dtype is DType.U8 else z3.SignExt
    return extend(256 - 8 * dtype.size, whole)


def _load(tree: Node) -> Iterator[Goal]:
    memory, pointer, index = z3.BitVecs("memory pointer index", 256)
    for dtype in DType:
        places: list[Term] = []

        def load(at: Term, places: list[Term] = places) -> Term:
            places.append(at)
            return memory

        contract = Contract(tree, Words(), {"mload": load})
        code = z3.BitVecVal(dtype.value, 256)
        found = contract.call("load", pointer, index, code)
        yield Goal(f"{dtype.name}: little-endian", [], found == _little_endian(memory, dtype))
        yield Goal(f"{dtype.name}: its place", [], places[0] == pointer + index * dtype.size)


def _put(tree: Node) -> Iterator[Goal]:
    value, pointer, index = z3.BitVecs("value pointer index", 256)
    for dtype in DType:
        stores: list[tuple[Term, Term]] = []

        def store(at: Term, word: Term, stores: list[tuple[Term, Term]] = stores) -> None:
            stores.append((at, word))

        contract = Contract(tree, Words(), {"mstore": store})
        contract.call("put", pointer, index, z3.BitVecVal(dtype.value, 256), value)
        ((at, word),) = stores
        given = [value >= dtype.minimum, value <= dtype.maximum]
        yield Goal(f"{dtype.name}: comes back", given, _little_endian(word, dtype) == value)
        yield Goal(f"{dtype.name}: its place", [], at == pointer + index * dtype.size)


def _wrap(tree: Node) -> Iterator[Goal]:
    value = z3.BitVec("value", 256)
    found = Contract(tree, Words()).call("wrap", value)
    in_range = z3.And(found >= -(1 << 63), found < 1 << 63)
    yield Goal("an i64", [], in_range)
    yield Goal("equal modulo 2^64", [], z3.Extract(63, 0, found) == z3.Extract(63, 0, value))


def _wide(tree: Node) -> Iterator[Goal]:
    x, w, x_zero, w_zero = z3.BitVecs("x w x_zero w_zero", 256)
    kinds = (DType.U8, DType.I8, DType.I16)
    w_at = 1 << 20
    for a in kinds:
        for b in kinds:
            algebra = Words()

            def load(at: Term) -> Term:
                return w if z3.simplify(at).as_long() >= w_at else x

            contract = Contract(tree, algebra, {"mload": load})
            number = algebra.number
            found = contract.call(
                "_wideDot",
                number(0),
                number(w_at),
                number(1),
                number(a.value),
                x_zero,
                number(b.value),
                w_zero,
            )
            wanted = (_little_endian(x, a) - x_zero) * (_little_endian(w, b) - w_zero)
            yield obligations(algebra, [])
            yield Goal(f"{a.name} by {b.name}", [], found == wanted)


THEOREMS = (
    Theorem(
        "load",
        "load reads the little-endian element at pointer + index · size",
        "every dtype, any memory, any 256-bit pointer and index",
        "libraries/ElementLib.sol",
        _load,
        (
            Mutant(
                "value := or(shr(32, value), shl(32, and(value, 0xffffffff)))",
                "value := or(shr(32, value), shl(32, and(value, 0xffff)))",
            ),
            Mutant("case 0 { value := and(value, 0xff) }", "case 1 { value := and(value, 0xff) }"),
        ),
    ),
    Theorem(
        "put",
        "put writes what load reads back, at pointer + index · size",
        "every dtype, every value of its range",
        "libraries/ElementLib.sol",
        _put,
        (Mutant("let v := and(value, 0xffffffffffffffff)", "let v := and(value, 0xffffffff)"),),
    ),
    Theorem(
        "wrap",
        "wrap(v) is the i64 that equals v modulo 2^64",
        "every 256-bit v",
        "libraries/ElementLib.sol",
        _wrap,
        (Mutant("wrapped := signextend(7, value)", "wrapped := signextend(8, value)"),),
    ),
    Theorem(
        "wide-product",
        "_wideDot of one element is (x - xZero)·(w - wZero), each read with the sign of its dtype",
        "u8, i8 and i16 on either side, any bytes, any zeros",
        "prover/MatmulProver.sol",
        _wide,
        (
            Mutant(
                "let bHigh := mul(eq(bType, 2), 0xff00)", "let bHigh := mul(eq(aType, 2), 0xff00)"
            ),
        ),
    ),
)
