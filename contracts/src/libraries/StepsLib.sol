// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";

/// @title How many steps a descriptor expands to (docs/spec/operators.md).
library StepsLib {
    using DescriptorLib for bytes;

    uint256 private constant LEAF = 256;
    uint256 private constant MAP_ELEMENTS = 32;

    /// @notice Steps of an operator whose fields lie in their ranges; control and single-token operators have one.
    function stepsOf(bytes calldata d) internal pure returns (uint256) {
        // Fields in range keep every product below 2^96.
        unchecked {
            uint256 opcode = d.opcode();
            if (opcode == DescriptorLib.CONV) {
                (uint256 rows, uint256 rowLength) = rowsOf(d);
                uint256 runs = rows * ((rowLength + LEAF - 1) / LEAF);
                return d.number(3) * d.number(4) * d.number(5) * (runs + 1);
            }
            if (opcode == DescriptorLib.MAXPOOL) {
                return d.number(3) * d.number(4) * d.number(2) * (d.number(6) * d.number(7) + 1);
            }
            if (opcode == DescriptorLib.COPY) {
                uint256 rows = d.number(2) * d.number(3) * d.number(4);
                return d.field(10) == 1 ? rows * chunksOf(d) : rows * d.number(5);
            }
            if (opcode == DescriptorLib.MATMUL) {
                (, uint256 runs) = matmulRuns(d);
                return d.number(0) * d.number(1) * d.number(2) * (runs + 1);
            }
            if (opcode == DescriptorLib.REDUCE) {
                (, uint256 runs) = reduceRuns(d);
                return d.number(0) * (runs + 1);
            }
            if (opcode == DescriptorLib.LOOKUP) return d.number(0) * d.number(1);
            if (_isGrid(opcode)) return _mapSteps(d.number(0) * d.number(1));
            if (_isFlat(opcode)) return _mapSteps(d.number(0));
            return 1;
        }
    }

    /// @notice The rows that a CONV's kernel is cut into, and the elements of one.
    function rowsOf(bytes calldata d) internal pure returns (uint256 rows, uint256 rowLength) {
        unchecked {
            uint256 groups = d.number(14);
            rows = d.number(6);
            if (groups == 1 && d.number(13) == 1) return (rows, d.number(7) * d.number(2));
            return (rows * d.number(7), d.number(2) / groups);
        }
    }

    /// @notice Elements of one run of a MATMUL, and the runs of one element.
    function matmulRuns(bytes calldata d) internal pure returns (uint256 run, uint256 runs) {
        unchecked {
            uint256 a = DescriptorLib.sizeOf(d.aType());
            uint256 b = DescriptorLib.sizeOf(d.bType());
            run = LEAF / (a > b ? a : b);
            runs = (d.number(3) + run - 1) / run;
        }
    }

    /// @notice Elements of one run of a REDUCE, and the runs of one row.
    function reduceRuns(bytes calldata d) internal pure returns (uint256 run, uint256 runs) {
        unchecked {
            run = LEAF / DescriptorLib.sizeOf(d.aType());
            runs = (d.number(1) + run - 1) / run;
        }
    }

    /// @dev Map operators over rows and columns.
    function _isGrid(uint256 opcode) private pure returns (bool) {
        return opcode == DescriptorLib.SCALE || opcode == DescriptorLib.COMBINE || opcode == DescriptorLib.MASK
            || opcode == DescriptorLib.EMBED;
    }

    /// @dev Map operators over a plain count.
    function _isFlat(uint256 opcode) private pure returns (bool) {
        return (opcode >= DescriptorLib.ADD && opcode <= DescriptorLib.TABLE) || opcode == DescriptorLib.ROOT
            || opcode == DescriptorLib.ROTATE;
    }

    function _mapSteps(uint256 count) private pure returns (uint256) {
        unchecked {
            return (count + MAP_ELEMENTS - 1) / MAP_ELEMENTS;
        }
    }

    /// @notice Steps of one row of a contiguous COPY: the most leaves that a row may touch.
    function chunksOf(bytes calldata d) internal pure returns (uint256) {
        unchecked {
            return (d.number(5) * DescriptorLib.sizeOf(d.dstType()) + LEAF - 2) / LEAF + 1;
        }
    }
}
