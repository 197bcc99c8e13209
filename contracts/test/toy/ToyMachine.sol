// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {StateLib} from "../../src/libraries/StateLib.sol";

/// @title A machine whose trace is arithmetic: the accumulator counts squares, t -> t^2, by adding 2t + 1 a step.
/// The last step leaves an output that follows from the input alone, as a real program's END does.
library ToyMachine {
    function memoryRoot(IModelRegistry.ModelInfo memory info, bytes32 inputRoot) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(inputRoot, info.initialSiblings[0]));
    }

    function outputOf(bytes32 root) internal pure returns (bytes memory) {
        return abi.encode(sha256(abi.encodePacked(root)));
    }

    function stateAt(IModelRegistry.ModelInfo memory info, bytes32 inputRoot, uint64 steps, uint64 t)
        internal
        view
        returns (bytes32)
    {
        bytes32 root = memoryRoot(info, inputRoot);
        if (t == steps) return StateLib.finalState(info, rootOfOutput(outputOf(root)), steps, false);
        return StateLib.hashState(t, false, root, square(t));
    }

    function square(uint64 t) internal pure returns (int64) {
        // Wraps like the machine's accumulator.
        unchecked {
            return int64(t * t);
        }
    }

    /// @dev Root of an output of 32 bytes: one zero-padded leaf.
    function rootOfOutput(bytes memory output) internal pure returns (bytes32) {
        return sha256(bytes.concat(output, new bytes(256 - output.length)));
    }
}
