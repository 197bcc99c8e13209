// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Sha256Lib} from "./Sha256Lib.sol";

/// @title The operators tree, built leaf by leaf (docs/spec/program.md, "Trees").
/// @dev After n leaves `frontier[i]` is the root of the full subtree of 2^i leaves that bit i of n stands for.
library FrontierLib {
    /// @notice Levels of a frontier of at most 65,535 leaves.
    uint256 internal constant LEVELS = 16;

    /// @notice Append the leaf of number `index`.
    function append(bytes32[] memory frontier, uint256 index, bytes32 node) internal view {
        uint256 level = 0;
        for (; (index >> level) & 1 == 1; ++level) {
            node = Sha256Lib.ofPair(frontier[level], node);
        }
        frontier[level] = node;
    }

    /// @notice Root over `count` > 0 leaves, padded on the right with empty entries.
    function root(bytes32[] memory frontier, uint256 count) internal view returns (bytes32 node) {
        uint256 depth = Sha256Lib.depthOf(count);
        if (count == 1 << depth) return frontier[depth];
        // `node` holds everything from the right edge of the leaves on, at each level.
        bytes32 empty = 0;
        for (uint256 level = 0; level < depth; ++level) {
            bool isRight = (count >> level) & 1 == 1;
            node = isRight ? Sha256Lib.ofPair(frontier[level], node) : Sha256Lib.ofPair(node, empty);
            empty = Sha256Lib.ofPair(empty, empty);
        }
    }
}
