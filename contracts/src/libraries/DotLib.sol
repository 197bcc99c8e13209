// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Dot product of byte runs in memory.
library DotLib {
    /// @notice Sum of (x - zero) * w over `length` elements; w is i8, x is i8 when `isSigned`, else u8.
    /// @dev `w` is zero-padded to a whole word, so whole words may be summed. At most 256 products below 2^17 each.
    function dot(uint256 x, uint256 w, uint256 length, bool isSigned, int256 zero)
        internal
        pure
        returns (int256 sum)
    {
        assembly ("memory-safe") {
            function term(at, xs, ws, z) -> product {
                product := mul(sub(byte(at, xs), z), signextend(0, byte(at, ws)))
            }
            // A signed byte s equals the unsigned (s xor 128) minus 128.
            let bias := mul(isSigned, 0x8080808080808080808080808080808080808080808080808080808080808080)
            let z := add(zero, mul(isSigned, 128))
            for { let at := 0 } lt(at, length) { at := add(at, 32) } {
                let xs := xor(mload(add(x, at)), bias)
                let ws := mload(add(w, at))
                for { let i := 0 } lt(i, 32) { i := add(i, 4) } {
                    sum := add(sum, term(i, xs, ws, z))
                    sum := add(sum, term(add(i, 1), xs, ws, z))
                    sum := add(sum, term(add(i, 2), xs, ws, z))
                    sum := add(sum, term(add(i, 3), xs, ws, z))
                }
            }
        }
    }
}
