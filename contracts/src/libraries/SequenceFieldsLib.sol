// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";
import {RulesLib} from "./RulesLib.sol";

/// @title Ranges of descriptor fields of the operators that sequence models need (see FieldsLib).
library SequenceFieldsLib {
    using DescriptorLib for bytes;
    using RulesLib for bytes;

    /// @dev Elements of a tensor at most, fewer than of other operators: SCALE reads three tensors and the
    /// constants in one step, and its proof has to fit into a move.
    int256 private constant ELEMENTS = 1 << 29;
    uint256 private constant U8 = 0;
    uint256 private constant I8 = 1;
    uint256 private constant I16 = 2;
    uint256 private constant I32 = 3;
    uint256 private constant I64 = 4;
    int256 private constant MAX_SHIFT = 62;
    int256 private constant MAX_OFFSET = 1 << 40;
    int256 private constant PICK = 4;
    uint256 private constant MAX_ENDS = 16;

    /// @notice The first part of a descriptor that breaks a rule, as `FieldsLib.fault`.
    function fault(bytes calldata d, uint256 constantsBytes) internal pure returns (uint256) {
        uint256 opcode = d.opcode();
        if (d.dstType() > I64 || d.aType() > I64 || d.bType() > I64) return RulesLib.HEAD;
        if (opcode == DescriptorLib.MATMUL) return _matmul(d, constantsBytes);
        if (opcode == DescriptorLib.REDUCE) return _reduce(d);
        if (opcode == DescriptorLib.SCALE) return _scale(d, constantsBytes);
        if (opcode == DescriptorLib.COMBINE) return _combine(d);
        if (opcode == DescriptorLib.ROOT) return _root(d);
        if (opcode == DescriptorLib.MASK) return _mask(d);
        if (opcode == DescriptorLib.ROTATE) return _rotate(d, constantsBytes);
        if (opcode == DescriptorLib.LOOKUP) return _lookUp(d, constantsBytes);
        if (opcode == DescriptorLib.EMBED) return _embed(d, constantsBytes);
        if (opcode == DescriptorLib.TOKEN) return _token(d);
        if (opcode == DescriptorLib.DRAW) return _draw(d);
        if (opcode == DescriptorLib.HALT) return _halt(d);
        return RulesLib.HEAD;
    }

    function _matmul(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (d.aType() > I16 || d.bType() > I16 || d.dstType() < I32) return RulesLib.HEAD;
        for (uint256 i = 0; i < 4; ++i) {
            if (!d.isIn(i, 1, RulesLib.DIMENSION)) return i;
        }
        if (!d.isIn(4, 1, ELEMENTS)) return 4;
        if (d.field(8) > ELEMENTS) return 8;
        for (uint256 i = 5; i < 13; ++i) {
            bool isDivisor = i == 10;
            int256 high = i == 9 ? MAX_OFFSET : isDivisor ? RulesLib.DIMENSION : RulesLib.COUNT;
            if (!d.isIn(i, isDivisor ? int256(1) : int256(0), high)) return i;
        }
        if (!d.isOfType(13, d.aType())) return 13;
        if (!d.isOfType(14, d.bType())) return 14;
        bool isConstant = d.number(8) == 0;
        if (isConstant && (d.b() != 0 || d.bType() > I8)) return RulesLib.HEAD;
        // Dimensions are below 2^24, strides at most 2^32: products and sums stay below 2^60.
        unchecked {
            if (d.number(0) * d.number(1) * d.number(2) > uint256(ELEMENTS)) return RulesLib.OUTPUT_COUNT;
            uint256 last = d.number(5) + (d.number(0) - 1) * d.number(6) + (d.number(1) - 1) * d.number(7);
            if (last + d.number(3) > d.number(4)) return 5;
            last = d.number(9) + ((d.number(0) - 1) / d.number(10)) * d.number(11)
                + (d.number(2) - 1) * d.number(12);
            if (last + d.number(3) > (isConstant ? constantsBytes : d.number(8))) return 9;
        }
        return d.tail(15);
    }

    function _reduce(bytes calldata d) private pure returns (uint256) {
        if (d.dstType() < I32) return RulesLib.HEAD;
        uint256 part = _matrix(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(2, 0, PICK)) return 2;
        if (d.field(2) != PICK) return d.usesB() ? RulesLib.HEAD : d.tail(3);
        if (d.bType() != I64) return RulesLib.HEAD;
        return d.field(0) == 1 ? d.tail(3) : 0;
    }

    function _scale(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        uint256 part = _grid(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(2, 0, 2)) return 2;
        if (!d.isIn(3, 0, MAX_SHIFT)) return 3;
        if (!d.isIn(4, 0, 1)) return 4;
        if (d.field(5) != -1) {
            // Columns are below 2^24.
            int256 last = int256(constantsBytes) - 8 * d.field(1);
            if (!d.isIn(5, 0, last) || d.number(5) % 256 != 0) return 5;
            if (d.field(6) != 0) return 6;
            if (d.field(7) != 0) return 7;
        }
        for (uint256 i = 6; i < 9; ++i) {
            if (!d.isOfType(i, I32)) return i;
        }
        if (!d.isClamp(9)) return 9;
        if (d.field(2) == 0) {
            if (d.usesB()) return RulesLib.HEAD;
            return d.tail(11);
        }
        if (d.bType() < I32) return RulesLib.HEAD;
        part = _within(d, 12, 11, d.field(0));
        return part == RulesLib.OK ? d.tail(13) : part;
    }

    function _combine(bytes calldata d) private pure returns (uint256) {
        uint256 part = _grid(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(2, 0, 2)) return 2;
        if (!d.isIn(3, 0, 1)) return 3;
        if (!d.isIn(4, 0, MAX_SHIFT)) return 4;
        return d.isClamp(5) ? d.tail(7) : 5;
    }

    function _root(bytes calldata d) private pure returns (uint256) {
        if (d.aType() != I64 || d.dstType() < I32 || d.usesB()) return RulesLib.HEAD;
        if (!d.isIn(0, 1, ELEMENTS)) return 0;
        return d.isIn(1, 0, MAX_SHIFT) ? d.tail(2) : 1;
    }

    function _mask(bytes calldata d) private pure returns (uint256) {
        if (d.aType() != d.dstType() || d.dstType() < I16) return RulesLib.HEAD;
        uint256 part = _grid(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(2, 0, 1)) return 2;
        if (d.field(2) == 0) {
            if (d.usesB()) return RulesLib.HEAD;
            if (d.field(3) != 0) return 3;
            if (d.field(4) != 0) return 4;
        } else {
            if (d.bType() != I16 && d.bType() != I32) return RulesLib.HEAD;
            part = _within(d, 4, 3, 1);
            if (part != RulesLib.OK) return part;
        }
        return d.isOfType(5, d.dstType()) ? d.tail(6) : 5;
    }

    function _rotate(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (d.aType() != I16 && d.aType() != I32) return RulesLib.HEAD;
        if (d.dstType() != I8 && d.dstType() != I16) return RulesLib.HEAD;
        if (d.usesB()) return RulesLib.HEAD;
        if (!d.isIn(0, 1, ELEMENTS)) return 0;
        if (!d.isIn(1, 2, RulesLib.DIMENSION)) return 1;
        uint256 head = d.number(1);
        if (head % 2 != 0 || (head % 32 != 0 && 32 % head != 0) || d.number(0) % head != 0) return 1;
        if (!d.isIn(2, 0, MAX_SHIFT)) return 2;
        if (!d.isIn(4, 1, RulesLib.DIMENSION)) return 4;
        // Both factors are below 2^24.
        int256 last = int256(constantsBytes) - 2 * d.field(1) * d.field(4);
        if (!d.isIn(3, 0, last) || d.number(3) % 4 != 0) return 3;
        return d.isClamp(5) ? d.tail(7) : 5;
    }

    function _lookUp(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        uint256 part = _matrix(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(2, 0, 1)) return 2;
        if (d.field(2) == 0 ? d.usesB() : d.bType() != I64) return RulesLib.HEAD;
        if (!d.isOfType(3, I32) || (d.field(2) == 1 && d.field(3) != 0)) return 3;
        if (!d.isIn(4, 0, MAX_SHIFT)) return 4;
        if (!d.isIn(5, 1, RulesLib.DIMENSION)) return 5;
        part = _table(d, 6, d.number(5), constantsBytes);
        return part == RulesLib.OK ? d.tail(7) : part;
    }

    function _embed(bytes calldata d, uint256 constantsBytes) private pure returns (uint256) {
        if (d.usesB()) return RulesLib.HEAD;
        uint256 part = _grid(d);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(4, 1, RulesLib.DIMENSION)) return 4;
        part = _table(d, 5, d.number(4) * d.number(1), constantsBytes);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(6, 0, 1)) return 6;
        if (d.field(6) == 1) {
            if (d.a() != 0 || d.aType() != 0) return RulesLib.HEAD;
            if (d.field(2) != 0) return 2;
            return d.field(3) == 0 ? d.tail(7) : 3;
        }
        if (d.aType() != I32) return RulesLib.HEAD;
        part = _within(d, 3, 2, d.field(0));
        return part == RulesLib.OK ? d.tail(7) : part;
    }

    function _token(bytes calldata d) private pure returns (uint256) {
        if (d.aType() != I32 || d.bType() != I32 || d.dstType() != I32) return RulesLib.HEAD;
        uint256 part = _within(d, 1, 0, 1);
        if (part != RulesLib.OK) return part;
        part = _within(d, 2, 0, 1);
        if (part != RulesLib.OK) return part;
        return d.isIn(3, 1, ELEMENTS) ? d.tail(4) : 3;
    }

    function _draw(bytes calldata d) private pure returns (uint256) {
        if (d.aType() != I32 || d.bType() != I64 || d.dstType() != I64) return RulesLib.HEAD;
        uint256 part = _within(d, 1, 0, 8);
        if (part != RulesLib.OK) return part;
        part = _within(d, 2, 0, 1);
        return part == RulesLib.OK ? d.tail(3) : part;
    }

    function _halt(bytes calldata d) private pure returns (uint256) {
        if (d.aType() != I32 || d.bType() != I32 || d.dst() != 0 || d.dstType() != 0) return RulesLib.HEAD;
        uint256 part = _within(d, 1, 0, 1);
        if (part != RulesLib.OK) return part;
        if (!d.isIn(2, 1, int256(MAX_ENDS))) return 2;
        for (uint256 i = 3; i < 3 + MAX_ENDS; ++i) {
            if (i < 3 + d.number(2) ? !d.isOfType(i, I32) : d.field(i) != 0) return i;
        }
        return d.tail(3 + MAX_ENDS);
    }

    /// @dev Fields 0 and 1 are rows and columns.
    function _matrix(bytes calldata d) private pure returns (uint256) {
        if (!d.isIn(0, 1, RulesLib.DIMENSION)) return 0;
        if (!d.isIn(1, 1, RulesLib.DIMENSION)) return 1;
        return d.number(0) * d.number(1) <= uint256(ELEMENTS) ? RulesLib.OK : RulesLib.OUTPUT_COUNT;
    }

    /// @dev A matrix whose steps of 32 elements never leave a row.
    function _grid(bytes calldata d) private pure returns (uint256) {
        uint256 part = _matrix(d);
        if (part != RulesLib.OK) return part;
        return d.number(0) == 1 || d.number(1) % 32 == 0 ? RulesLib.OK : 1;
    }

    /// @dev Field `count` is a number of elements of which `needed` follow on field `offset`.
    function _within(bytes calldata d, uint256 offset, uint256 count, int256 needed) private pure returns (uint256) {
        if (!d.isIn(count, 1, ELEMENTS)) return count;
        return d.isIn(offset, 0, d.field(count) - needed) ? RulesLib.OK : offset;
    }

    /// @dev Field `index` is where a table of `count` elements of the destination's dtype lies in the constants.
    function _table(bytes calldata d, uint256 index, uint256 count, uint256 constantsBytes)
        private
        pure
        returns (uint256)
    {
        int256 last = int256(constantsBytes) - int256(count * DescriptorLib.sizeOf(d.dstType()));
        return d.isIn(index, 0, last) && d.number(index) % 8 == 0 ? RulesLib.OK : index;
    }
}
