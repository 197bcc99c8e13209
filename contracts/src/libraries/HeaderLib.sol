// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The header of a program (docs/spec/program.md, "Header").
library HeaderLib {
    uint256 internal constant FIXED_BYTES = 128;

    function version(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 0, 2);
    }

    function slotDepth(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 2, 1);
    }

    function inputSlot(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 3, 1);
    }

    function outputSlot(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 4, 1);
    }

    function inputType(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 5, 1);
    }

    function outputType(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 6, 1);
    }

    function reserved(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 7, 1);
    }

    function operatorCount(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 8, 4);
    }

    function maxIterations(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 12, 4);
    }

    function stepsPerIteration(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 16, 8);
    }

    function constantsBytes(bytes calldata h) internal pure returns (uint256) {
        return _number(h, 24, 8);
    }

    /// @notice Product of the four dimensions of the input.
    function inputCount(bytes calldata h) internal pure returns (uint256) {
        return _product(h, 32);
    }

    /// @notice Product of the four dimensions of the output.
    function outputCount(bytes calldata h) internal pure returns (uint256) {
        return _product(h, 48);
    }

    function operatorsRoot(bytes calldata h) internal pure returns (bytes32) {
        return bytes32(_number(h, 64, 32));
    }

    function constantsRoot(bytes calldata h) internal pure returns (bytes32) {
        return bytes32(_number(h, 96, 32));
    }

    function initialSibling(bytes calldata h, uint256 level) internal pure returns (bytes32) {
        return bytes32(_number(h, FIXED_BYTES + 32 * level, 32));
    }

    /// @dev Four factors below 2^32 stay below 2^128.
    function _product(bytes calldata h, uint256 position) private pure returns (uint256) {
        unchecked {
            return _number(h, position, 4) * _number(h, position + 4, 4) * _number(h, position + 8, 4)
                * _number(h, position + 12, 4);
        }
    }

    function _number(bytes calldata h, uint256 position, uint256 length) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := shr(sub(256, shl(3, length)), calldataload(add(h.offset, position)))
        }
    }
}
