// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";

/// @title The sliding window that CONV and MAXPOOL share (twin: interpreter/operators/window.py).
library WindowLib {
    using DescriptorLib for bytes;

    /// @notice Input row under a kernel row; it may lie outside.
    function rowAt(bytes calldata d, uint256 outRow, uint256 kernelRow) internal pure returns (int256) {
        // Every factor is below 2^33, so nothing overflows.
        unchecked {
            return int256(outRow) * d.field(8) - d.field(10) + int256(kernelRow) * d.field(12);
        }
    }

    /// @notice Input column under a kernel column; it may lie outside.
    function columnAt(bytes calldata d, uint256 outColumn, uint256 kernelColumn)
        internal
        pure
        returns (int256)
    {
        unchecked {
            return int256(outColumn) * d.field(9) - d.field(11) + int256(kernelColumn) * d.field(13);
        }
    }

    /// @notice Whether a row and a column lie in the input.
    function isInside(bytes calldata d, int256 row, int256 column) internal pure returns (bool) {
        return row >= 0 && row < d.field(0) && column >= 0 && column < d.field(1);
    }
}
