// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";

/// @title A registry of toy programs: their shape is what the test says, they are not validated.
contract ToyRegistry is IModelRegistry {
    mapping(bytes32 programRoot => ModelInfo) private _models;

    function register(bytes32 programRoot, ModelInfo calldata info) external {
        _models[programRoot] = info;
    }

    function model(bytes32 programRoot) external view returns (ModelInfo memory) {
        return _models[programRoot];
    }
}
