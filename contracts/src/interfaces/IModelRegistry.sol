// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Programs that were validated on chain.
interface IModelRegistry {
    struct ModelInfo {
        bool registered;
        uint96 minimumStake;
        uint32 maxIterations;
        uint64 stepsPerIteration;
        uint64 inputBytes;
        uint32 outputBytes;
        uint8 slotDepth;
        uint8 inputSlot;
        uint8 outputSlot;
        bytes32[] initialSiblings;
    }

    /// @notice What the market needs to know of a program; `registered` is false for an unknown root.
    function model(bytes32 programRoot) external view returns (ModelInfo memory);
}
