// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Dot product of two byte runs in memory, eight products a multiplication.
library DotLib {
    uint256 private constant SIGN_BITS = 0x8080808080808080808080808080808080808080808080808080808080808080;

    /// @notice Sum of (x - zero) * w over `length` <= 256 elements; w is i8, x is i8 when `isSigned`, else u8.
    /// @dev The last word of `w` is zero-padded: each padded element then adds (x - zero) * 0.
    ///
    /// A signed byte s is the unsigned u = s xor 128 less 128, so with u of x, v of w and z = zero (+ 128 if signed)
    ///     sum (u - z)(v - 128) = sum u*v - 128 * sum u - z * sum v + 128 * n * z.
    /// Words hold eight 32-bit lanes of which each has one byte set. The top lane of a product of two such words, one
    /// of them in reverse order, is their dot product; no lane passes 8 * 255^2 < 2^32, so none carries into the next.
    function dot(uint256 x, uint256 w, uint256 length, bool isSigned, int256 zero)
        internal
        pure
        returns (int256 sum)
    {
        assembly ("memory-safe") {
            function reversed(word) -> r {
                let mask := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                r := or(and(shr(8, word), mask), shl(8, and(word, mask)))
                mask := 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff
                r := or(and(shr(16, r), mask), shl(16, and(r, mask)))
                mask := 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff
                r := or(and(shr(32, r), mask), shl(32, and(r, mask)))
                mask := 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff
                r := or(and(shr(64, r), mask), shl(64, and(r, mask)))
                r := or(shr(128, r), shl(128, r))
            }
            // Sixteen 16-bit lanes, each the sum of two bytes.
            function pairs(word) -> r {
                let mask := 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff
                r := add(and(word, mask), and(shr(8, word), mask))
            }
            // The sum of all lanes, at most 256 * 255 < 2^16, arrives in the top one.
            function total(lanes) -> r {
                r := shr(240, mul(lanes, 0x0001000100010001000100010001000100010001000100010001000100010001))
            }
            let bias := mul(isSigned, SIGN_BITS)
            let lane := 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff
            let us := 0
            let vs := 0
            for { let end := add(x, length) } lt(x, end) { x := add(x, 32) } {
                let u := xor(mload(x), bias)
                let v := xor(mload(w), SIGN_BITS)
                us := add(us, pairs(u))
                vs := add(vs, pairs(v))
                v := reversed(v)
                sum := add(sum, shr(224, mul(and(u, lane), and(shr(24, v), lane))))
                sum := add(sum, shr(224, mul(and(shr(8, u), lane), and(shr(16, v), lane))))
                sum := add(sum, shr(224, mul(and(shr(16, u), lane), and(shr(8, v), lane))))
                sum := add(sum, shr(224, mul(and(shr(24, u), lane), and(v, lane))))
                w := add(w, 32)
            }
            let z := add(zero, mul(isSigned, 128))
            let padded := and(add(length, 31), not(31))
            sum := sub(sum, shl(7, total(us)))
            sum := sub(sum, mul(z, total(vs)))
            sum := add(sum, mul(z, shl(7, padded)))
        }
    }
}
