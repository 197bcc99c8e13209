// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";
import {RulesLib} from "./RulesLib.sol";
import {SequenceFieldsLib} from "./SequenceFieldsLib.sol";
import {StepsLib} from "./StepsLib.sol";

/// @title Ranges of descriptor fields (docs/spec/operators.md; twin: the `check` of each instruction in Python).
/// @dev Every function returns the number of the first part that breaks a rule, or OK. Parts 0 to 27 are the fields;
/// the others are named in RulesLib. What comes first is no rule: only whether anything does.
library FieldsLib {
    using DescriptorLib for bytes;
    using RulesLib for bytes;

    uint256 private constant LEAF = 256;
    uint256 private constant PARAMETER_BYTES = 8;

    /// @notice The first part of a descriptor that breaks a rule, whatever the slots hold.
    /// @param constantsBytes Size of the constants, at most 2^40.
    /// @param iterations The most that a run may have, at most 2^24.
    function fault(bytes calldata d, uint256 constantsBytes, uint256 iterations) internal pure returns (uint256) {
        uint256 opcode = d.opcode();
        if (d.zeroByte() != 0) return RulesLib.HEAD;
        if (opcode == DescriptorLib.CONV) return _conv(d, constantsBytes);
        if (opcode == DescriptorLib.COPY) return _copy(d, iterations);
        if (opcode == DescriptorLib.ADD) return _add(d);
        if (opcode == DescriptorLib.MAXPOOL) return _pool(d);
        if (opcode == DescriptorLib.CLIP) return _clip(d);
        if (opcode == DescriptorLib.TABLE) return _table(d, constantsBytes);
        if (opcode >= DescriptorLib.BEGIN && opcode <= DescriptorLib.KEEP) return _control(d, opcode);
        return SequenceFieldsLib.fault(d, constantsBytes);
    }

    function _control(bytes calldata d, uint256 opcode) private pure returns (uint256) {
        if (d.a() != 0 || d.usesB() || d.aType() != 0) return RulesLib.HEAD;
        if (opcode == DescriptorLib.BEGIN || opcode == DescriptorLib.KEEP) {
            if (d.dstType() > RulesLib.LAST_DTYPE) return RulesLib.HEAD;
            if (!d.isIn(0, 1, RulesLib.COUNT)) return 0;
            return d.tail(1);
        }
        if (opcode == DescriptorLib.END && d.dst() != 0) return RulesLib.HEAD;
        return d.dstType() != 0 ? RulesLib.HEAD : d.tail(0);
    }

    function _conv(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (!RulesLib.isByteWide(d.aType()) || !RulesLib.isByteWide(d.dstType()) || d.usesB()) {
            return RulesLib.HEAD;
        }
        uint256 part = _window(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(5, 1, RulesLib.DIMENSION)) return 5;
        if (!d.isIn(14, 1, RulesLib.DIMENSION)) return 14;
        // Every factor is below 2^24, so no product overflows.
        unchecked {
            uint256 groups = d.number(14);
            if (d.number(2) % groups != 0 || d.number(5) % groups != 0) return 14;
            if (d.number(3) * d.number(4) * d.number(5) > uint256(RulesLib.COUNT)) return RulesLib.OUTPUT_COUNT;
            (uint256 rows, uint256 rowLength) = StepsLib.rowsOf(d);
            uint256 kernel = rows * rowLength;
            if (kernel > uint256(RulesLib.DIMENSION)) return RulesLib.KERNEL;
            if (!d.isOfType(15, d.aType())) return 15;
            if (!d.isOfType(16, d.dstType())) return 16;
            if (!d.isClamp(17)) return 17;
            if (!d.isIn(19, 0, int256(constantsBytes) - int256(d.number(5) * kernel))) return 19;
            int256 last = int256(constantsBytes) - int256(d.number(5) * PARAMETER_BYTES);
            if (!d.isIn(20, 0, last) || d.number(20) % PARAMETER_BYTES != 0) return 20;
        }
        return d.tail(21);
    }

    function _pool(bytes calldata d) private pure returns (uint256) {
        if (!RulesLib.isByteWide(d.dstType()) || d.aType() != d.dstType() || d.usesB()) return RulesLib.HEAD;
        uint256 part = _window(d);
        if (part != RulesLib.OK) return part;
        if (d.field(5) != 0) return 5;
        unchecked {
            if (d.number(3) * d.number(4) * d.number(2) > uint256(RulesLib.COUNT)) return RulesLib.OUTPUT_COUNT;
        }
        return d.tail(14);
    }

    /// @dev Fields 0 to 13 but 5: a window over an input.
    function _window(bytes calldata d) private pure returns (uint256) {
        unchecked {
            for (uint256 i = 0; i < 14; ++i) {
                if (i == 5) continue;
                // Paddings may be 0.
                if (!d.isIn(i, i == 10 || i == 11 ? int256(0) : int256(1), RulesLib.DIMENSION)) return i;
            }
            if (d.number(0) * d.number(1) * d.number(2) > uint256(RulesLib.COUNT)) return RulesLib.INPUT_COUNT;
            if (d.number(6) * d.number(7) > uint256(RulesLib.DIMENSION)) return RulesLib.KERNEL;
        }
        return RulesLib.OK;
    }

    function _add(bytes calldata d) private pure returns (uint256) {
        if (!RulesLib.isByteWide(d.dstType()) || !RulesLib.isByteWide(d.aType())) return RulesLib.HEAD;
        if (!RulesLib.isByteWide(d.bType())) return RulesLib.HEAD;
        if (!d.isIn(0, 1, RulesLib.COUNT)) return 0;
        if (!d.isIn(1, 0, 1 << 20)) return 1;
        if (!d.isIn(2, 0, 1 << 20)) return 2;
        if (!d.isIn(3, 1, 1023) || d.number(3) & 1 == 0) return 3;
        if (!d.isOfType(4, d.aType())) return 4;
        if (!d.isOfType(5, d.bType())) return 5;
        if (!d.isOfType(6, d.dstType())) return 6;
        return d.isClamp(7) ? d.tail(9) : 7;
    }

    function _clip(bytes calldata d) private pure returns (uint256) {
        if (!RulesLib.isByteWide(d.dstType()) || d.aType() != d.dstType() || d.usesB()) return RulesLib.HEAD;
        if (!d.isIn(0, 1, RulesLib.COUNT)) return 0;
        return d.isClamp(1) ? d.tail(3) : 1;
    }

    function _table(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (!RulesLib.isByteWide(d.dstType()) || !RulesLib.isByteWide(d.aType()) || d.usesB()) return RulesLib.HEAD;
        if (!d.isIn(0, 1, RulesLib.COUNT)) return 0;
        // The constants have at least one leaf.
        if (!d.isIn(1, 0, int256(constantsBytes - LEAF)) || d.number(1) % LEAF != 0) return 1;
        return d.tail(2);
    }

    function _copy(bytes calldata d, uint256 iterations) private pure returns (uint256) {
        if (d.dstType() > RulesLib.LAST_DTYPE || d.aType() != d.dstType() || d.usesB()) return RulesLib.HEAD;
        if (!d.isIn(0, 1, RulesLib.COUNT)) return 0;
        if (!d.isIn(1, 1, RulesLib.COUNT)) return 1;
        // Sizes are below 2^24 and strides at most 2^32: products and sums stay below 2^97.
        unchecked {
            uint256 elements = 1;
            for (uint256 i = 2; i < 6; ++i) {
                if (!d.isIn(i, 1, RulesLib.DIMENSION)) return i;
                elements *= d.number(i);
            }
            if (elements > uint256(RulesLib.COUNT)) return RulesLib.OUTPUT_COUNT;
            for (uint256 i = 6; i < 17; ++i) {
                if (!d.isIn(i, 0, RulesLib.COUNT)) return i;
            }
            uint256 source = d.number(6) + (iterations - 1) * d.number(15);
            uint256 target = d.number(11) + (iterations - 1) * d.number(16) + d.number(5) - 1;
            for (uint256 axis = 0; axis < 4; ++axis) {
                source += (d.number(2 + axis) - 1) * d.number(7 + axis);
                if (axis < 3) target += (d.number(2 + axis) - 1) * d.number(12 + axis);
            }
            if (source >= d.number(0)) return 6;
            if (target >= d.number(1)) return 11;
        }
        return d.tail(17);
    }
}
