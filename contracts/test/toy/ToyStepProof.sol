// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IOneStepProof} from "../../src/interfaces/IOneStepProof.sol";
import {StateLib} from "../../src/libraries/StateLib.sol";
import {ToyMachine} from "./ToyMachine.sol";

/// @title Executes one step of the toy machine from `(memory root, accumulator)`.
contract ToyStepProof is IOneStepProof {
    IModelRegistry private immutable _registry;

    constructor(IModelRegistry registry_) {
        _registry = registry_;
    }

    function prove(bytes32 programRoot, uint32 iterations, uint64 step, bytes calldata proof)
        external
        view
        returns (bytes32 preStateHash, bytes32 postStateHash)
    {
        IModelRegistry.ModelInfo memory info = _registry.model(programRoot);
        uint64 steps = info.stepsPerIteration * iterations;
        (bytes32 root, int64 accumulator) = abi.decode(proof, (bytes32, int64));
        preStateHash = StateLib.hashState(step, false, root, accumulator);
        if (step + 1 == steps) {
            bytes32 outputRoot = ToyMachine.rootOfOutput(ToyMachine.outputOf(root));
            postStateHash = StateLib.finalState(info, outputRoot, steps, false);
        } else {
            unchecked {
                accumulator += int64(2 * step + 1);
            }
            postStateHash = StateLib.hashState(step + 1, false, root, accumulator);
        }
    }
}
