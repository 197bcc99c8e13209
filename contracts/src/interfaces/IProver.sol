// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Executes the steps of one operator family.
interface IProver {
    /// @dev `index`: the step within the operator. `iteration`: from 0. `isLast`: whether it is the last one.
    struct Context {
        uint256 index;
        uint256 iteration;
        bool isLast;
        uint256 outputSlot;
        uint256 slotDepth;
        bytes32 memoryRoot;
        int64 accumulator;
        bytes32 constantsRoot;
        uint256 constantsDepth;
    }

    /// @notice Memory root and accumulator after the step, and whether it halts the run.
    /// @dev Reverts on a false witness only; a registered descriptor and a true witness always have a result.
    function step(Context calldata context, bytes calldata descriptor, bytes calldata witness)
        external
        view
        returns (bytes32 memoryRoot, int64 accumulator, bool halts);
}
