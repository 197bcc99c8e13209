// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The dissection tree as its definition reads, without the contract's shortcuts.
library DissectionTree {
    function levels(bytes32 startHash, bytes32[] memory hashes) internal pure returns (bytes32[][] memory tree) {
        uint256 depth = 0;
        while (2 ** depth < hashes.length) ++depth;
        tree = new bytes32[][](depth + 1);
        tree[0] = new bytes32[](2 ** depth);
        for (uint256 j = 0; j < hashes.length; ++j) {
            tree[0][j] = keccak256(abi.encode(j == 0 ? startHash : hashes[j - 1], hashes[j]));
        }
        for (uint256 level = 1; level <= depth; ++level) {
            tree[level] = new bytes32[](2 ** (depth - level));
            for (uint256 j = 0; j < tree[level].length; ++j) {
                tree[level][j] = keccak256(abi.encode(tree[level - 1][2 * j], tree[level - 1][2 * j + 1]));
            }
        }
    }

    function rootOf(bytes32 startHash, bytes32[] memory hashes) internal pure returns (bytes32) {
        bytes32[][] memory tree = levels(startHash, hashes);
        return tree[tree.length - 1][0];
    }

    function siblingsOf(bytes32 startHash, bytes32[] memory hashes, uint256 index)
        internal
        pure
        returns (bytes32[] memory siblings)
    {
        bytes32[][] memory tree = levels(startHash, hashes);
        siblings = new bytes32[](tree.length - 1);
        for (uint256 level = 0; level < siblings.length; ++level) {
            siblings[level] = tree[level][(index >> level) ^ 1];
        }
    }
}
