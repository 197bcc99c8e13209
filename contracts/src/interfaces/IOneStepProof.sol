// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Executes exactly one step of a program from its witness.
interface IOneStepProof {
    /// @notice State hashes before and after `step` of the program run for `iterations` iterations.
    /// @dev Reverts on any malformed or untrue proof; never returns a post-state that the program does not have.
    function prove(bytes32 programRoot, uint32 iterations, uint64 step, bytes calldata proof)
        external
        view
        returns (bytes32 preStateHash, bytes32 postStateHash);
}
