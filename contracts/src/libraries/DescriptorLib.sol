// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The 240 bytes of a descriptor (docs/spec/program.md, "Descriptor").
library DescriptorLib {
    uint256 internal constant BYTES = 240;
    uint256 internal constant FIELDS = 28;

    uint256 internal constant BEGIN = 0x01;
    uint256 internal constant FREE = 0x02;
    uint256 internal constant END = 0x03;
    uint256 internal constant KEEP = 0x04;
    uint256 internal constant HALT = 0x05;
    uint256 internal constant CONV = 0x10;
    uint256 internal constant MAXPOOL = 0x11;
    uint256 internal constant MATMUL = 0x12;
    uint256 internal constant REDUCE = 0x13;
    uint256 internal constant ADD = 0x20;
    uint256 internal constant CLIP = 0x21;
    uint256 internal constant TABLE = 0x22;
    uint256 internal constant SCALE = 0x23;
    uint256 internal constant COMBINE = 0x24;
    uint256 internal constant ROOT = 0x25;
    uint256 internal constant MASK = 0x26;
    uint256 internal constant ROTATE = 0x27;
    uint256 internal constant COPY = 0x30;
    uint256 internal constant LOOKUP = 0x31;
    uint256 internal constant EMBED = 0x32;
    uint256 internal constant TOKEN = 0x33;
    uint256 internal constant DRAW = 0x34;

    function opcode(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 0);
    }

    function dst(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 1);
    }

    function a(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 2);
    }

    function b(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 3);
    }

    function dstType(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 4);
    }

    function aType(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 5);
    }

    function bType(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 6);
    }

    function zeroByte(bytes calldata d) internal pure returns (uint256) {
        return _head(d, 7);
    }

    function firstStep(bytes calldata d) internal pure returns (uint256 step) {
        assembly ("memory-safe") {
            step := shr(192, calldataload(add(d.offset, 8)))
        }
    }

    /// @notice Field `index`, an i64.
    function field(bytes calldata d, uint256 index) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            value := sar(192, calldataload(add(d.offset, add(16, shl(3, index)))))
        }
    }

    /// @notice Field `index` of a registered descriptor whose range leaves out negative values.
    function number(bytes calldata d, uint256 index) internal pure returns (uint256) {
        return uint256(field(d, index));
    }

    /// @notice Bytes of one element of a dtype.
    function sizeOf(uint256 dtype) internal pure returns (uint256) {
        // Codes 0 to 4 have 1, 1, 2, 4 and 8 bytes.
        return dtype < 2 ? 1 : uint256(1) << (dtype - 1);
    }

    /// @notice Smallest value of a dtype.
    function minimumOf(uint256 dtype) internal pure returns (int256) {
        if (dtype == 0) return 0;
        return -int256(uint256(1) << (8 * sizeOf(dtype) - 1));
    }

    /// @notice Largest value of a dtype.
    function maximumOf(uint256 dtype) internal pure returns (int256) {
        if (dtype == 0) return 255;
        return int256(uint256(1) << (8 * sizeOf(dtype) - 1)) - 1;
    }

    function _head(bytes calldata d, uint256 position) private pure returns (uint256 value) {
        assembly ("memory-safe") {
            value := byte(position, calldataload(d.offset))
        }
    }
}
