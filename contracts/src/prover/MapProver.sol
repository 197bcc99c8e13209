// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title ADD, CLIP and TABLE: up to 32 byte-wide elements a step (twin: interpreter/operators/elementwise.py).
contract MapProver is IProver {
    using DescriptorLib for bytes;
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant ELEMENTS = 32;

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        // Registration bounds the count by 2^32.
        unchecked {
            uint256 count = d.number(0);
            uint256 from = context.index * ELEMENTS;
            uint256 to = from + ELEMENTS < count ? from + ELEMENTS : count;
            uint256 a = _word(r.read(WitnessReader.tensor(d.a(), d.aType(), count), from, to));
            uint256 opcode = d.opcode();
            uint256 result;
            if (opcode == DescriptorLib.ADD) {
                uint256 b = _word(r.read(WitnessReader.tensor(d.b(), d.bType(), count), from, to));
                result = _add(d, a, b);
            } else if (opcode == DescriptorLib.CLIP) {
                result = _clip(d, a);
            } else {
                uint256 table = d.number(1);
                result = _lookUp(r.readConstant(table, table + 256), a, d.aType() == 1);
            }
            uint256 pointer;
            assembly ("memory-safe") {
                pointer := mload(0x40)
                mstore(0x40, add(pointer, 32))
                mstore(pointer, result)
            }
            r.store(WitnessReader.tensor(d.dst(), d.dstType(), count), from, pointer, to - from);
            return (r.finish(), context.accumulator, false);
        }
    }

    /// @dev clamp(floor((2 * total + q) / (2 * q)) + zero): with an odd q no quotient lies half-way.
    function _add(bytes calldata d, uint256 a, uint256 b) private pure returns (uint256 result) {
        // Registered numerators are at most 2^20 and operands at most 2^9.
        unchecked {
            int256 q = d.field(3);
            bool aSigned = d.aType() == 1;
            bool bSigned = d.bType() == 1;
            for (uint256 i = 0; i < ELEMENTS; ++i) {
                int256 total = d.field(1) * (_element(a, i, aSigned) - d.field(4))
                    + d.field(2) * (_element(b, i, bSigned) - d.field(5));
                int256 numerator = 2 * total + q;
                // Solidity truncates; the machine floors.
                int256 value = numerator / (2 * q);
                if (numerator < 0 && numerator % (2 * q) != 0) --value;
                value = _clamp(value + d.field(6), d.field(7), d.field(8));
                result = (result << 8) | (uint256(value) & 0xff);
            }
        }
    }

    function _clip(bytes calldata d, uint256 a) private pure returns (uint256 result) {
        unchecked {
            bool isSigned = d.aType() == 1;
            for (uint256 i = 0; i < ELEMENTS; ++i) {
                int256 value = _clamp(_element(a, i, isSigned), d.field(1), d.field(2));
                result = (result << 8) | (uint256(value) & 0xff);
            }
        }
    }

    /// @dev Index 0 of the table belongs to the smallest value of the input's dtype.
    function _lookUp(uint256 table, uint256 a, bool isSigned) private pure returns (uint256 result) {
        assembly ("memory-safe") {
            let bias := mul(isSigned, 128)
            for { let i := 0 } lt(i, 32) { i := add(i, 1) } {
                let found := byte(0, mload(add(table, xor(byte(i, a), bias))))
                result := or(shl(8, result), found)
            }
        }
    }

    function _word(uint256 pointer) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(pointer)
        }
    }

    function _element(uint256 word, uint256 index, bool isSigned) private pure returns (int256 value) {
        assembly ("memory-safe") {
            value := byte(index, word)
            if isSigned { value := signextend(0, value) }
        }
    }

    function _clamp(int256 value, int256 low, int256 high) private pure returns (int256) {
        if (value < low) return low;
        return value > high ? high : value;
    }
}
