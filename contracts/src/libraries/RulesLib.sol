// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";

/// @title The parts of a descriptor that a rule can name, and the rules that several operators share.
library RulesLib {
    using DescriptorLib for bytes;

    uint256 internal constant OK = type(uint256).max;
    uint256 internal constant HEAD = 28;
    uint256 internal constant UNUSED = 29;
    uint256 internal constant INPUT_COUNT = 30;
    uint256 internal constant OUTPUT_COUNT = 31;
    uint256 internal constant KERNEL = 32;

    int256 internal constant DIMENSION = (1 << 24) - 1;
    int256 internal constant COUNT = 1 << 32;
    uint256 internal constant LAST_DTYPE = 4;

    /// @dev Whether the descriptor says anything of a second source.
    function usesB(bytes calldata d) internal pure returns (bool) {
        return d.b() != 0 || d.bType() != 0;
    }

    function isByteWide(uint256 dtype) internal pure returns (bool) {
        return dtype < 2;
    }

    function isIn(bytes calldata d, uint256 index, int256 low, int256 high) internal pure returns (bool) {
        int256 value = d.field(index);
        return low <= value && value <= high;
    }

    function isOfType(bytes calldata d, uint256 index, uint256 dtype) internal pure returns (bool) {
        return isIn(d, index, DescriptorLib.minimumOf(dtype), DescriptorLib.maximumOf(dtype));
    }

    /// @dev Fields `index` and `index + 1` are a low and a high bound in the destination's range.
    function isClamp(bytes calldata d, uint256 index) internal pure returns (bool) {
        return isOfType(d, index, d.dstType()) && isOfType(d, index + 1, d.dstType())
            && d.field(index) <= d.field(index + 1);
    }

    /// @dev OK when all fields from `used` on are 0; `used` is at most 24.
    function tail(bytes calldata d, uint256 used) internal pure returns (uint256) {
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
