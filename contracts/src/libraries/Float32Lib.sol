// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The binary32 product that requantises (docs/spec/operators.md, "rescale"; twin: interpreter/float32.py).
library Float32Lib {
    uint256 private constant SATURATION = 1 << 32;

    /// @notice rint(fl(fl(value) * scale)), saturated at 2^32 in magnitude; `scaleBits` is the u32 pattern.
    function rescale(int256 value, uint256 scaleBits) internal pure returns (int256) {
        uint256 biased = scaleBits >> 23;
        // Negative, zero, subnormal, infinite and NaN scales give 0.
        if (value == 0 || biased < 1 || biased > 254) return 0;
        // |value| <= 2^63 and the mantissa is below 2^24, so the product stays below 2^88.
        unchecked {
            uint256 magnitude = value < 0 ? uint256(-value) : uint256(value);
            int256 exponent = int256(biased) - 150;
            uint256 shift;
            (magnitude, shift) = _toMantissa(magnitude);
            exponent += int256(shift);
            (magnitude, shift) = _toMantissa(magnitude * ((scaleBits & 0x7fffff) | 0x800000));
            exponent += int256(shift);
            if (exponent < 0) {
                magnitude = _shiftHalfEven(magnitude, uint256(-exponent));
            } else {
                magnitude <<= uint256(exponent) < 40 ? uint256(exponent) : 40;
            }
            if (magnitude > SATURATION) magnitude = SATURATION;
            return value < 0 ? -int256(magnitude) : int256(magnitude);
        }
    }

    /// @dev Round to 24 bits, nearest even. A carry to 2^24 is kept: its value is the same.
    function _toMantissa(uint256 magnitude) private pure returns (uint256, uint256) {
        unchecked {
            if (magnitude >> 24 == 0) return (magnitude, 0);
            uint256 shift = _bitLength(magnitude) - 24;
            return (_shiftHalfEven(magnitude, shift), shift);
        }
    }

    /// @dev value / 2^shift, ties to even; shift >= 1.
    function _shiftHalfEven(uint256 value, uint256 shift) private pure returns (uint256 quotient) {
        // Shifts reach 149; value < 2^88 then leaves 0, and no remainder reaches the half.
        unchecked {
            quotient = value >> shift;
            uint256 remainder = value & ((uint256(1) << shift) - 1);
            uint256 half = uint256(1) << (shift - 1);
            if (remainder > half || (remainder == half && quotient & 1 == 1)) ++quotient;
        }
    }

    /// @dev Bits of a value below 2^128.
    function _bitLength(uint256 value) private pure returns (uint256 length) {
        assembly ("memory-safe") {
            let bits := shl(6, lt(0xffffffffffffffff, value))
            length := bits
            value := shr(bits, value)
            bits := shl(5, lt(0xffffffff, value))
            length := add(length, bits)
            value := shr(bits, value)
            bits := shl(4, lt(0xffff, value))
            length := add(length, bits)
            value := shr(bits, value)
            bits := shl(3, lt(0xff, value))
            length := add(length, bits)
            value := shr(bits, value)
            for {} value { value := shr(1, value) } { length := add(length, 1) }
        }
    }
}
