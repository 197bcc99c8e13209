// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";
import {Sha256Lib} from "./Sha256Lib.sol";

/// @title State hashes and the two ends of a trace (docs/spec/state.md; twin: interpreter/state.py).
library StateLib {
    /// @notice SHA-256 of the 49 packed bytes of a state.
    function hashState(uint64 step, bool halted, bytes32 memoryRoot, int64 accumulator)
        internal
        view
        returns (bytes32)
    {
        bytes memory packed = abi.encodePacked(step, halted, memoryRoot, accumulator);
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := add(packed, 32)
        }
        return Sha256Lib.ofMemory(pointer, packed.length);
    }

    /// @notice Hash of the state before the first step of a run on the input with this root.
    function initialState(IModelRegistry.ModelInfo memory info, bytes32 inputRoot) internal view returns (bytes32) {
        bytes32 node = inputRoot;
        for (uint256 level = 0; level < info.slotDepth; ++level) {
            bytes32 sibling = info.initialSiblings[level];
            node = (info.inputSlot >> level) & 1 == 0
                ? Sha256Lib.ofPair(node, sibling)
                : Sha256Lib.ofPair(sibling, node);
        }
        return hashState(0, false, node, 0);
    }

    /// @notice Hash of the state after the last step of a run that yields the output with this root.
    function finalState(IModelRegistry.ModelInfo memory info, bytes32 outputRoot, uint64 steps, bool halted)
        internal
        view
        returns (bytes32)
    {
        bytes32 root = Sha256Lib.foldEmpty(outputRoot, info.outputSlot, info.slotDepth);
        return hashState(steps, halted, root, 0);
    }
}
