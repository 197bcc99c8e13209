// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";
import {StepsLib} from "./StepsLib.sol";

/// @title Ranges of descriptor fields (docs/spec/operators.md; twin: the `check` of each instruction in Python).
/// @dev Every function returns the number of the first part that breaks a rule, or OK. Parts 0 to 27 are the fields;
/// the others are named below. What comes first is no rule: only whether anything does.
library FieldsLib {
    using DescriptorLib for bytes;

    uint256 internal constant OK = type(uint256).max;
    uint256 internal constant HEAD = 28;
    uint256 internal constant UNUSED = 29;
    uint256 internal constant INPUT_COUNT = 30;
    uint256 internal constant OUTPUT_COUNT = 31;
    uint256 internal constant KERNEL = 32;

    int256 private constant DIMENSION = (1 << 24) - 1;
    int256 private constant COUNT = 1 << 32;
    uint256 private constant LEAF = 256;
    uint256 private constant PARAMETER_BYTES = 8;
    uint256 private constant LAST_DTYPE = 4;

    /// @notice The first part of a descriptor that breaks a rule, whatever the slots hold.
    /// @param constantsBytes Size of the constants, at most 2^40.
    function fault(bytes calldata d, uint256 constantsBytes) internal pure returns (uint256) {
        uint256 opcode = d.opcode();
        if (d.zeroByte() != 0) return HEAD;
        if (opcode == DescriptorLib.CONV) return _conv(d, constantsBytes);
        if (opcode == DescriptorLib.COPY) return _copy(d);
        if (opcode == DescriptorLib.ADD) return _add(d);
        if (opcode == DescriptorLib.MAXPOOL) return _pool(d);
        if (opcode == DescriptorLib.CLIP) return _clip(d);
        if (opcode == DescriptorLib.TABLE) return _table(d, constantsBytes);
        return _control(d, opcode);
    }

    function _control(bytes calldata d, uint256 opcode) private pure returns (uint256) {
        if (d.a() != 0 || _usesB(d) || d.aType() != 0) return HEAD;
        if (opcode == DescriptorLib.BEGIN) {
            if (d.dstType() > LAST_DTYPE) return HEAD;
            if (!_isIn(d, 0, 1, COUNT)) return 0;
            return _tail(d, 1);
        }
        if (opcode == DescriptorLib.END && d.dst() != 0) return HEAD;
        if (opcode != DescriptorLib.END && opcode != DescriptorLib.FREE) return HEAD;
        return d.dstType() != 0 ? HEAD : _tail(d, 0);
    }

    function _conv(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (!_isByteWide(d.aType()) || !_isByteWide(d.dstType()) || _usesB(d)) return HEAD;
        uint256 part = _window(d);
        if (part != OK) return part;
        if (!_isIn(d, 5, 1, DIMENSION)) return 5;
        if (!_isIn(d, 14, 1, DIMENSION)) return 14;
        // Every factor is below 2^24, so no product overflows.
        unchecked {
            uint256 groups = d.number(14);
            if (d.number(2) % groups != 0 || d.number(5) % groups != 0) return 14;
            if (d.number(3) * d.number(4) * d.number(5) > uint256(COUNT)) return OUTPUT_COUNT;
            (uint256 rows, uint256 rowLength) = StepsLib.rowsOf(d);
            uint256 kernel = rows * rowLength;
            if (kernel > uint256(DIMENSION)) return KERNEL;
            if (!_isOfType(d, 15, d.aType())) return 15;
            if (!_isOfType(d, 16, d.dstType())) return 16;
            if (!_isClamp(d, 17)) return 17;
            if (!_isIn(d, 19, 0, int256(constantsBytes) - int256(d.number(5) * kernel))) return 19;
            int256 last = int256(constantsBytes) - int256(d.number(5) * PARAMETER_BYTES);
            if (!_isIn(d, 20, 0, last) || d.number(20) % PARAMETER_BYTES != 0) return 20;
        }
        return _tail(d, 21);
    }

    function _pool(bytes calldata d) private pure returns (uint256) {
        if (!_isByteWide(d.dstType()) || d.aType() != d.dstType() || _usesB(d)) return HEAD;
        uint256 part = _window(d);
        if (part != OK) return part;
        if (d.field(5) != 0) return 5;
        unchecked {
            if (d.number(3) * d.number(4) * d.number(2) > uint256(COUNT)) return OUTPUT_COUNT;
        }
        return _tail(d, 14);
    }

    /// @dev Fields 0 to 13 but 5: a window over an input.
    function _window(bytes calldata d) private pure returns (uint256) {
        unchecked {
            for (uint256 i = 0; i < 14; ++i) {
                if (i == 5) continue;
                // Paddings may be 0.
                if (!_isIn(d, i, i == 10 || i == 11 ? int256(0) : int256(1), DIMENSION)) return i;
            }
            if (d.number(0) * d.number(1) * d.number(2) > uint256(COUNT)) return INPUT_COUNT;
            if (d.number(6) * d.number(7) > uint256(DIMENSION)) return KERNEL;
        }
        return OK;
    }

    function _add(bytes calldata d) private pure returns (uint256) {
        if (!_isByteWide(d.dstType()) || !_isByteWide(d.aType()) || !_isByteWide(d.bType())) return HEAD;
        if (!_isIn(d, 0, 1, COUNT)) return 0;
        if (!_isIn(d, 1, 0, 1 << 20)) return 1;
        if (!_isIn(d, 2, 0, 1 << 20)) return 2;
        if (!_isIn(d, 3, 1, 1023) || d.number(3) & 1 == 0) return 3;
        if (!_isOfType(d, 4, d.aType())) return 4;
        if (!_isOfType(d, 5, d.bType())) return 5;
        if (!_isOfType(d, 6, d.dstType())) return 6;
        return _isClamp(d, 7) ? _tail(d, 9) : 7;
    }

    function _clip(bytes calldata d) private pure returns (uint256) {
        if (!_isByteWide(d.dstType()) || d.aType() != d.dstType() || _usesB(d)) return HEAD;
        if (!_isIn(d, 0, 1, COUNT)) return 0;
        return _isClamp(d, 1) ? _tail(d, 3) : 1;
    }

    function _table(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (!_isByteWide(d.dstType()) || !_isByteWide(d.aType()) || _usesB(d)) return HEAD;
        if (!_isIn(d, 0, 1, COUNT)) return 0;
        // The constants have at least one leaf.
        if (!_isIn(d, 1, 0, int256(constantsBytes - LEAF)) || d.number(1) % LEAF != 0) return 1;
        return _tail(d, 2);
    }

    function _copy(bytes calldata d) private pure returns (uint256) {
        if (d.dstType() > LAST_DTYPE || d.aType() != d.dstType() || _usesB(d)) return HEAD;
        if (!_isIn(d, 0, 1, COUNT)) return 0;
        if (!_isIn(d, 1, 1, COUNT)) return 1;
        // Sizes are below 2^24 and strides at most 2^32: products and sums stay below 2^97.
        unchecked {
            uint256 elements = 1;
            for (uint256 i = 2; i < 6; ++i) {
                if (!_isIn(d, i, 1, DIMENSION)) return i;
                elements *= d.number(i);
            }
            if (elements > uint256(COUNT)) return OUTPUT_COUNT;
            for (uint256 i = 6; i < 15; ++i) {
                if (!_isIn(d, i, 0, COUNT)) return i;
            }
            uint256 source = d.number(6);
            uint256 target = d.number(11) + d.number(5) - 1;
            for (uint256 axis = 0; axis < 4; ++axis) {
                source += (d.number(2 + axis) - 1) * d.number(7 + axis);
                if (axis < 3) target += (d.number(2 + axis) - 1) * d.number(12 + axis);
            }
            if (source >= d.number(0)) return 6;
            if (target >= d.number(1)) return 11;
        }
        return _tail(d, 15);
    }

    /// @dev Whether the descriptor says anything of a second source.
    function _usesB(bytes calldata d) private pure returns (bool) {
        return d.b() != 0 || d.bType() != 0;
    }

    function _isByteWide(uint256 dtype) private pure returns (bool) {
        return dtype < 2;
    }

    function _isIn(bytes calldata d, uint256 index, int256 low, int256 high) private pure returns (bool) {
        int256 value = d.field(index);
        return low <= value && value <= high;
    }

    function _isOfType(bytes calldata d, uint256 index, uint256 dtype) private pure returns (bool) {
        return _isIn(d, index, DescriptorLib.minimumOf(dtype), DescriptorLib.maximumOf(dtype));
    }

    /// @dev Fields `index` and `index + 1` are a low and a high bound in the destination's range.
    function _isClamp(bytes calldata d, uint256 index) private pure returns (bool) {
        return _isOfType(d, index, d.dstType()) && _isOfType(d, index + 1, d.dstType())
            && d.field(index) <= d.field(index + 1);
    }

    /// @dev OK when all fields from `used` on are 0; `used` is at most 24.
    function _tail(bytes calldata d, uint256 used) private pure returns (uint256) {
        uint256 bits;
        assembly ("memory-safe") {
            // The last word may overlap the one before it.
            let last := add(d.offset, 208)
            bits := calldataload(last)
            for { let at := add(d.offset, add(16, shl(3, used))) } lt(at, last) { at := add(at, 32) } {
                bits := or(bits, calldataload(at))
            }
        }
        return bits == 0 ? OK : UNUSED;
    }
}
