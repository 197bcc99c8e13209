// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";
import {WitnessReader} from "./WitnessReader.sol";

/// @title Elements of any dtype, little-endian, in memory and in tensors (docs/spec/program.md, "Tensor types").
library ElementLib {
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant LEAF = 256;
    /// @dev A byte for each dtype: the logarithm of its size.
    uint256 private constant LOGS = 0x0000010203000000000000000000000000000000000000000000000000000000;

    /// @notice Element `index` of the dtype at `pointer`, which has 8 readable bytes behind every element.
    function load(uint256 pointer, uint256 index, uint256 dtype) internal pure returns (int256 value) {
        assembly ("memory-safe") {
            let log := byte(dtype, LOGS)
            value := shr(192, mload(add(pointer, shl(log, index))))
            value := or(and(shr(8, value), 0x00ff00ff00ff00ff), shl(8, and(value, 0x00ff00ff00ff00ff)))
            value := or(and(shr(16, value), 0x0000ffff0000ffff), shl(16, and(value, 0x0000ffff0000ffff)))
            value := or(shr(32, value), shl(32, and(value, 0xffffffff)))
            switch dtype
            case 0 { value := and(value, 0xff) }
            default { value := signextend(sub(shl(log, 1), 1), value) }
        }
    }

    /// @notice Write the low bytes of `value` as element `index`; up to 32 bytes behind it are overwritten.
    function put(uint256 pointer, uint256 index, uint256 dtype, int256 value) internal pure {
        assembly ("memory-safe") {
            let log := byte(dtype, LOGS)
            let v := and(value, 0xffffffffffffffff)
            v := or(and(shr(8, v), 0x00ff00ff00ff00ff), shl(8, and(v, 0x00ff00ff00ff00ff)))
            v := or(and(shr(16, v), 0x0000ffff0000ffff), shl(16, and(v, 0x0000ffff0000ffff)))
            v := or(shr(32, v), shl(32, and(v, 0xffffffff)))
            mstore(add(pointer, shl(log, index)), shl(192, v))
        }
    }

    /// @notice Room in memory for one leaf and what `put` overwrites behind it.
    function room() internal pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, add(LEAF, 32)))
        }
    }

    /// @notice Read elements `[from, to)` of a tensor of `count` elements.
    function read(
        WitnessReader.Reader memory r,
        uint256 slot,
        uint256 dtype,
        uint256 count,
        uint256 from,
        uint256 to
    ) internal view returns (uint256 pointer) {
        // Registered tensors have at most 2^35 bytes.
        unchecked {
            uint256 size = DescriptorLib.sizeOf(dtype);
            return r.read(WitnessReader.tensor(slot, dtype, count), from * size, to * size);
        }
    }

    /// @notice Read one element of a tensor of `count` elements.
    function readOne(WitnessReader.Reader memory r, uint256 slot, uint256 dtype, uint256 count, uint256 element)
        internal
        view
        returns (int256)
    {
        unchecked {
            return load(read(r, slot, dtype, count, element, element + 1), 0, dtype);
        }
    }

    /// @notice Store `length` elements at `pointer` from element `from` on; all lie in one leaf.
    function store(
        WitnessReader.Reader memory r,
        bytes calldata d,
        uint256 count,
        uint256 from,
        uint256 pointer,
        uint256 length
    ) internal view {
        unchecked {
            uint256 dtype = DescriptorLib.dstType(d);
            uint256 size = DescriptorLib.sizeOf(dtype);
            WitnessReader.Tensor memory t = WitnessReader.tensor(DescriptorLib.dst(d), dtype, count);
            r.store(t, from * size, pointer, length * size);
        }
    }

    /// @notice Store one element of the destination, clamped to the range of its dtype.
    function storeOne(WitnessReader.Reader memory r, bytes calldata d, uint256 count, uint256 element, int256 value)
        internal
        view
    {
        uint256 dtype = DescriptorLib.dstType(d);
        uint256 pointer = room();
        put(pointer, 0, dtype, clamp(value, DescriptorLib.minimumOf(dtype), DescriptorLib.maximumOf(dtype)));
        store(r, d, count, element, pointer, 1);
    }

    function clamp(int256 value, int256 low, int256 high) internal pure returns (int256) {
        if (value < low) return low;
        return value > high ? high : value;
    }

    /// @notice The machine's i64 wrap-around.
    function wrap(int256 value) internal pure returns (int256 wrapped) {
        assembly ("memory-safe") {
            wrapped := signextend(7, value)
        }
    }

    /// @notice floor((n + floor(d / 2)) / d) for d > 0; neither reaches 2^254.
    function divideRounded(int256 n, int256 d) internal pure returns (int256 quotient) {
        assembly ("memory-safe") {
            n := add(n, shr(1, d))
            quotient := sdiv(n, d)
            // Solidity truncates; the machine floors.
            quotient := sub(quotient, slt(smod(n, d), 0))
        }
    }
}
