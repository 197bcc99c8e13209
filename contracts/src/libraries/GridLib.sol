// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";

/// @title The map grid: 32 flat elements of `[ROWS, COLS]` a step, all in one row (docs/spec/operators.md).
library GridLib {
    using DescriptorLib for bytes;

    uint256 internal constant ELEMENTS = 32;

    /// @dev Elements `[from, to)`; `column` is that of the first.
    struct Span {
        uint256 count;
        uint256 from;
        uint256 to;
        uint256 row;
        uint256 column;
    }

    /// @notice What step `index` covers; fields 0 and 1 are rows and columns.
    function ofRows(bytes calldata d, uint256 index) internal pure returns (Span memory) {
        // Registration bounds the product by 2^29.
        unchecked {
            return _span(d.number(0) * d.number(1), d.number(1), index);
        }
    }

    /// @notice What step `index` covers of one row; field 0 is the count.
    function ofRow(bytes calldata d, uint256 index) internal pure returns (Span memory) {
        return _span(d.number(0), d.number(0), index);
    }

    function _span(uint256 count, uint256 columns, uint256 index) private pure returns (Span memory s) {
        unchecked {
            s.count = count;
            s.from = index * ELEMENTS;
            s.to = s.from + ELEMENTS < count ? s.from + ELEMENTS : count;
            s.row = s.from / columns;
            s.column = s.from % columns;
        }
    }
}
