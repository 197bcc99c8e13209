"""The integer square root: `RowProver._squareRoot`, Newton's iteration from above."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from .algebra import Integers, Words
from .solidity import Contract, Node
from .theorem import Goal, Mutant, Theorem, obligations

SOURCE = "prover/RowProver.sol"
GUESSING, NEWTON = 0, 1
# Half of the bits of v, rounded up: how often `rest >>= 2` applies until nothing is left.
GUESS_TURNS = 32


def _start(tree: Node) -> Iterator[Goal]:
    v = z3.BitVec("v", 256)
    given = [z3.ULE(1, v), z3.ULT(v, 1 << 63)]
    algebra = Words()
    contract = Contract(tree, algebra)
    guess, rest = z3.BitVecVal(1, 256), v
    for _ in range(GUESS_TURNS):
        goes_on, after = contract.iterate("_squareRoot", GUESSING, {"guess": guess, "rest": rest})
        guess, rest = (
            z3.If(goes_on, after[k], k_now) for k, k_now in (("guess", guess), ("rest", rest))
        )
    goes_on, _ = contract.iterate("_squareRoot", GUESSING, {"guess": guess, "rest": rest})
    yield Goal("the guess ends within 32 turns", given, z3.Not(goes_on))
    powers = [z3.And(guess == 1 << k, z3.ULT(v, 1 << (2 * k))) for k in range(GUESS_TURNS + 1)]
    yield Goal("it is a power of two whose square is above v", given, z3.Or(*powers))
    near = [z3.And(guess == 1 << k, z3.ULE(1 << (2 * k - 2), v)) for k in range(1, GUESS_TURNS + 1)]
    yield Goal("half of it is not above the root", given, z3.Or(*near))


def _turn(tree: Node) -> Iterator[Goal]:
    v, guess, floor = z3.Ints("v guess floor")
    # What the start gives and every turn keeps: the guess is not below the root.
    given = [v >= 1, v < 1 << 63, guess >= 1, guess <= 1 << 32, (guess + 1) * (guess + 1) > v]
    algebra = Integers()
    values = {"v": v, "guess": guess, "root": z3.Int("unset")}
    goes_on, after = Contract(tree, algebra).iterate("_squareRoot", NEWTON, values)
    root, following = after["root"], after["guess"]
    yield obligations(algebra, given)
    # A square is not negative.
    quotient = algebra.binary("/", v, root, False)
    given += [*algebra.axioms, (root - quotient - 1) * (root - quotient - 1) >= 0]
    yield Goal("the next guess is not below the root", given, (following + 1) * (following + 1) > v)
    yield Goal("the next guess is at least 1", given, following >= 1)
    yield Goal("it goes on only with a smaller guess", given, z3.Implies(goes_on, following < root))
    ends = z3.And(root * root <= v, v < (root + 1) * (root + 1))
    yield Goal("it ends with the floor of the root", given, z3.Implies(z3.Not(goes_on), ends))
    above = [*given, floor >= 0, floor * floor <= v, v < (floor + 1) * (floor + 1), floor < root]
    halves = 2 * (following - floor) <= root - floor
    yield Goal("each turn halves the distance to the root at least", above, halves)


THEOREMS = (
    Theorem(
        "root-start",
        "the first guess of _squareRoot(v) is a power of two g with sqrt(v) < g <= 2·sqrt(v), "
        "found in at most 32 turns",
        "1 <= v < 2^63",
        SOURCE,
        _start,
        (
            Mutant(
                "for (uint256 rest = v; rest != 0; rest >>= 2) guess <<= 1;",
                "for (uint256 rest = v; rest != 0; rest >>= 3) guess <<= 1;",
            ),
        ),
    ),
    Theorem(
        "root-turn",
        "each turn of _squareRoot keeps guess >= isqrt(v), the last ends with root^2 <= v < "
        "(root+1)^2, "
        "and each halves the distance to the root, so that there are at most 34",
        "1 <= v < 2^63, guess <= 2^32",
        SOURCE,
        _turn,
        (
            Mutant("guess = (root + v / root) >> 1;", "guess = (root + v / root) >> 2;"),
            Mutant("while (guess < root);", "while (guess + 1 < root);"),
        ),
    ),
)
