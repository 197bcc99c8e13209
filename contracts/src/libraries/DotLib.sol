// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Dot product of two byte runs in memory, eight products a multiplication.
library DotLib {
    uint256 private constant SIGN_BITS = 0x8080808080808080808080808080808080808080808080808080808080808080;

    /// @notice Sum of (x - xZero) * (w - wZero) over `length` <= 256 elements, i8 where signed, else u8.
    /// @dev The last word of both is zero-padded: each padded element adds xZero * wZero, which is taken off.
    ///
    /// A signed byte s is the unsigned u = s xor 128 less 128, so with u of x, v of w and y, z the zeros (+ 128 if
    /// signed)
    ///     sum (u - y)(v - z) = sum u*v - z * sum u - y * sum v + n * y * z.
    /// Words hold eight 32-bit lanes of which each has one byte set. The top lane of a product of two such words, one
    /// of them in reverse order, is their dot product; no lane passes 8 * 255^2 < 2^32, so none carries into the next.
    function dot(
        uint256 x,
        uint256 w,
        uint256 length,
        bool xSigned,
        int256 xZero,
        bool wSigned,
        int256 wZero
    ) internal pure returns (int256 sum) {
        // Every term is below 2^33 in magnitude.
        unchecked {
            (uint256 products, uint256 us, uint256 vs) =
                _sums(x, w, x + length, xSigned ? SIGN_BITS : 0, wSigned ? SIGN_BITS : 0);
            int256 padded = int256((length + 31) & ~uint256(31));
            sum = int256(products) - (padded - int256(length)) * xZero * wZero;
            if (xSigned) xZero += 128;
            if (wSigned) wZero += 128;
            sum += padded * xZero * wZero - wZero * int256(us) - xZero * int256(vs);
        }
    }

    /// @dev The sums of u*v, u and v over the words from `x` to `end` and those from `w` on.
    function _sums(uint256 x, uint256 w, uint256 end, uint256 xBias, uint256 wBias)
        private
        pure
        returns (uint256 sum, uint256 us, uint256 vs)
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
            let lane := 0x000000ff000000ff000000ff000000ff000000ff000000ff000000ff000000ff
            for {} lt(x, end) { x := add(x, 32) } {
                let u := xor(mload(x), xBias)
                let v := xor(mload(w), wBias)
                us := add(us, pairs(u))
                vs := add(vs, pairs(v))
                v := reversed(v)
                sum := add(sum, shr(224, mul(and(u, lane), and(shr(24, v), lane))))
                sum := add(sum, shr(224, mul(and(shr(8, u), lane), and(shr(16, v), lane))))
                sum := add(sum, shr(224, mul(and(shr(16, u), lane), and(shr(8, v), lane))))
                sum := add(sum, shr(224, mul(and(shr(24, u), lane), and(v, lane))))
                w := add(w, 32)
            }
            us := total(us)
            vs := total(vs)
        }
    }
}
