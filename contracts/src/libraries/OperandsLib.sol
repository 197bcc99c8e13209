// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";

/// @title How many elements each operand of a descriptor has (docs/spec/operators.md).
library OperandsLib {
    using DescriptorLib for bytes;

    uint256 private constant PICK = 4;

    /// @notice Elements of source `a`, source `b` and the destination; 0 where there is no such operand.
    /// @dev The fields are in range. Each count is then at most 2^32.
    function countsOf(bytes calldata d) internal pure returns (uint256 a, uint256 b, uint256 dst) {
        unchecked {
            uint256 opcode = d.opcode();
            a = d.number(0);
            if (opcode == DescriptorLib.COPY) return (a, 0, d.number(1));
            if (opcode == DescriptorLib.ADD) return (a, a, a);
            if (opcode == DescriptorLib.CONV || opcode == DescriptorLib.MAXPOOL) {
                dst = d.number(3) * d.number(4) * (opcode == DescriptorLib.CONV ? d.number(5) : d.number(2));
                return (a * d.number(1) * d.number(2), 0, dst);
            }
            if (opcode == DescriptorLib.MATMUL) {
                return (d.number(4), d.number(8), a * d.number(1) * d.number(2));
            }
            if (opcode == DescriptorLib.HALT) return (1, a, 0);
            if (opcode == DescriptorLib.TOKEN) return (a, d.number(3), 1);
            if (opcode == DescriptorLib.DRAW) return (a, 1, 1);
            if (opcode == DescriptorLib.REDUCE) {
                return (a * d.number(1), d.number(2) == PICK ? 1 : 0, a);
            }
            if (opcode < DescriptorLib.SCALE || opcode == DescriptorLib.ROOT || opcode == DescriptorLib.ROTATE) {
                return (a, 0, a);
            }
            return _rowCounts(d, opcode);
        }
    }

    /// @dev Operators over rows and columns, whose second source differs.
    function _rowCounts(bytes calldata d, uint256 opcode)
        private
        pure
        returns (uint256 a, uint256 b, uint256 dst)
    {
        unchecked {
            uint256 rows = d.number(0);
            a = rows * d.number(1);
            dst = a;
            if (opcode == DescriptorLib.SCALE) b = d.number(11);
            else if (opcode == DescriptorLib.COMBINE) b = d.field(3) == 1 ? rows : a;
            else if (opcode == DescriptorLib.MASK) b = d.number(3);
            else if (opcode == DescriptorLib.LOOKUP) b = d.field(2) == 1 ? rows : 0;
            else a = d.number(2);
        }
    }
}
