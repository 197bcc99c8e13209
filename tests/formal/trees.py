"""Merkle paths: `Sha256Lib.fold`, `Sha256Lib.depthOf` and where a tensor's leaves lie."""

from __future__ import annotations

from collections.abc import Iterator

import z3

from .algebra import Term, Words
from .solidity import Contract, Intrinsic, Node
from .theorem import Goal, Mutant, Theorem, obligations

SOURCE = "libraries/Sha256Lib.sol"
DEEPEST = 4
WORD = z3.BitVecSort(256)
# The hash as any function; where collisions have to be excluded, as one that has inverses.
PAIR = z3.Function("pair", WORD, WORD, WORD)
LEFT, RIGHT = z3.Function("left", WORD, WORD), z3.Function("right", WORD, WORD)


class Memory:
    """The two words of scratch memory and the siblings in calldata."""

    def __init__(self, name: str) -> None:
        self.words = [z3.BitVecVal(0, 256), z3.BitVecVal(0, 256)]
        self.calldata = z3.Function(name, WORD, WORD)
        self.inside: list[Term] = []
        self.pairs: list[tuple[Term, Term]] = []

    def store(self, at: Term, value: Term) -> None:
        self.inside.append(z3.Or(at == 0, at == 32))
        self.words = [z3.If(at == 32 * i, value, old) for i, old in enumerate(self.words)]

    def load(self, at: Term) -> Term:
        return self.words[0]

    def call(self, gas: Term, to: Term, at: Term, size: Term, out: Term, length: Term) -> Term:
        self.inside.append(z3.And(to == 2, at == 0, size == 64, out == 0, length == 32))
        self.pairs.append((self.words[0], self.words[1]))
        self.words[0] = PAIR(*self.words)
        return z3.BitVecVal(1, 256)

    @property
    def intrinsics(self) -> dict[str, Intrinsic]:
        return {
            "mstore": self.store,
            "mload": self.load,
            "calldataload": lambda at: self.calldata(at),
            "staticcall": self.call,
            "gas": lambda: z3.BitVecVal(0, 256),
            "returndatasize": lambda: z3.BitVecVal(32, 256),
        }


def _folded(tree: Node, node: Term, index: Term, memory: Memory, depth: int) -> tuple[Term, Words]:
    algebra = Words()
    contract = Contract(tree, algebra, memory.intrinsics)
    root = contract.call("fold", node, index, z3.BitVecVal(0, 256), z3.BitVecVal(depth, 256))
    return root, algebra


def _fold(tree: Node) -> Iterator[Goal]:
    node, other, index = z3.BitVecs("node other index", 256)
    for depth in range(DEEPEST + 1):
        memory, second = Memory("path"), Memory("other path")
        root, algebra = _folded(tree, node, index, memory, depth)
        wanted = node
        for level in range(depth):
            sibling = memory.calldata(z3.BitVecVal(32 * level, 256))
            is_right = z3.Extract(level, level, index) == 1
            wanted = z3.If(is_right, PAIR(sibling, wanted), PAIR(wanted, sibling))
        about = f"depth {depth}"
        yield Goal(f"{about}: only its two words", [], z3.And(*algebra.obligations, *memory.inside))
        yield Goal(f"{about}: bit i of the index chooses the side at level i", [], root == wanted)
        rival, _ = _folded(tree, other, index, second, depth)
        inverses = [
            z3.And(LEFT(PAIR(a, b)) == a, RIGHT(PAIR(a, b)) == b)
            for a, b in memory.pairs + second.pairs
        ]
        binding = z3.Implies(root == rival, node == other)
        yield Goal(f"{about}: one root, one node at an index", inverses, binding)


def _depth(tree: Node) -> Iterator[Goal]:
    low = z3.BitVec("leaves", 48)
    leaves = z3.ZeroExt(208, low)
    given = [z3.ULE(1, low), z3.ULE(low, 1 << 40)]
    algebra = Words()
    depth = Contract(tree, algebra, unroll=40).call("depthOf", leaves)
    yield obligations(algebra, given)
    one = z3.BitVecVal(1, 256)
    yield Goal("every leaf fits", given, z3.ULE(leaves, one << depth))
    least = z3.Implies(depth != 0, z3.ULT(one << (depth - 1), leaves))
    yield Goal("no smaller depth would do", given, least)


def _joined(tree: Node) -> Iterator[Goal]:
    depths = z3.BitVecs("depth slot_depth", 8)
    depth, slot_depth = (z3.ZeroExt(248, one) for one in depths)
    slot, leaf, root = z3.BitVecs("slot leaf root", 256)
    one = z3.BitVecVal(1, 256)
    given = [z3.ULE(depth, 40), z3.ULE(slot_depth, 8)]
    given += [z3.ULT(slot, one << slot_depth), z3.ULT(leaf, one << depth)]
    folds: list[tuple[Term, ...]] = []

    def fold(*arguments: Term) -> Term:
        folds.append(arguments)
        return z3.BitVec("folded", 256)

    intrinsics: dict[str, Intrinsic] = {
        "_take": lambda reader, length: z3.BitVec("item", 256),
        "ofCalldata": lambda at, length: z3.BitVec("digest", 256),
        "fold": fold,
    }
    members = {"t.depth": depth, "t.slot": slot, "r.slotDepth": slot_depth, "r.preRoot": root}
    contract = Contract(tree, Words(), intrinsics)
    frame = contract.run("_takeLeaf", z3.BitVecVal(0, 256), z3.BitVecVal(0, 256), leaf, **members)
    ((_, index, _, length),) = folds
    yield Goal("the path is as long as both trees are deep", given, length == depth + slot_depth)
    yield Goal("the upper bits are the slot", given, z3.LShR(index, depth) == slot)
    yield Goal("the lower bits are the leaf", given, index & ((one << depth) - 1) == leaf)
    yield Goal("no other tree is reached", given, z3.ULT(index, one << length))
    refused = frame.reverted == (z3.BitVec("folded", 256) != root)
    yield Goal("refused unless it is under the root", given, refused)


THEOREMS = (
    Theorem(
        "joined-index",
        "_takeLeaf proves leaf `leaf` of slot `slot` and no other under the memory root",
        "tensor trees up to depth 40, slot trees up to depth 8, every slot and leaf in them",
        "libraries/WitnessReader.sol",
        _joined,
        (
            Mutant(
                """            bytes32 node = Sha256Lib.ofCalldata(content, LEAF);
            node = Sha256Lib.fold(node, (t.slot << t.depth) | leaf, content + LEAF, depth);
            if""",
                """            bytes32 node = Sha256Lib.ofCalldata(content, LEAF);
            node = Sha256Lib.fold(node, (t.slot << r.slotDepth) | leaf, content + LEAF, depth);
            if""",
            ),
            Mutant("if (node != r.preRoot) revert LeafNotProven(leaf);", ""),
        ),
    ),
    Theorem(
        "path",
        "fold reads bit i of the index as the side at level i, and no two nodes at one index "
        "have one root unless SHA-256 collides",
        "any index, node and siblings; depths 0 to 4",
        SOURCE,
        _fold,
        (
            Mutant("index := shr(1, index)", "index := shr(2, index)"),
            Mutant(
                "let side := shl(5, and(index, 1))", "let side := shl(5, iszero(and(index, 1)))"
            ),
        ),
    ),
    Theorem(
        "tree-depth",
        "depthOf(leaves) is the least d with 2^d >= leaves, found in at most 40 turns",
        "1 <= leaves <= 2^40",
        SOURCE,
        _depth,
        (
            Mutant(
                "while ((uint256(1) << depth) < leaves) ++depth;",
                "while ((uint256(2) << depth) < leaves) ++depth;",
            ),
        ),
    ),
)
