// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title State hashes and the two ends of a trace (docs/spec/state.md).
library StateLib {
    /// @notice SHA-256 of the packed state.
    function hashState(uint64 step, bool halted, bytes32 memoryRoot, int64 accumulator)
        internal
        pure
        returns (bytes32)
    {
        return sha256(abi.encodePacked(step, halted, memoryRoot, accumulator));
    }

    /// @notice Hash of the state before the first step of a run on the input with this root.
    function initialState(IModelRegistry.ModelInfo memory info, bytes32 inputRoot)
        internal
        pure
        returns (bytes32)
    {
        bytes32 node = inputRoot;
        for (uint256 level = 0; level < info.slotDepth; ++level) {
            bytes32 sibling = info.initialSiblings[level];
            node = (info.inputSlot >> level) & 1 == 0
                ? sha256(abi.encodePacked(node, sibling))
                : sha256(abi.encodePacked(sibling, node));
        }
        return hashState(0, false, node, 0);
    }

    /// @notice Hash of the state after the last step of a run that yields the output with this root.
    function finalState(IModelRegistry.ModelInfo memory info, bytes32 outputRoot, uint64 steps, bool halted)
        internal
        pure
        returns (bytes32)
    {
        bytes32 node = outputRoot;
        bytes32 empty = 0;
        for (uint256 level = 0; level < info.slotDepth; ++level) {
            node = (info.outputSlot >> level) & 1 == 0
                ? sha256(abi.encodePacked(node, empty))
                : sha256(abi.encodePacked(empty, node));
            empty = sha256(abi.encodePacked(empty, empty));
        }
        return hashState(steps, halted, node, 0);
    }
}
