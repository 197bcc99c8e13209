// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {DotLib} from "../libraries/DotLib.sol";
import {ElementLib} from "../libraries/ElementLib.sol";
import {StepsLib} from "../libraries/StepsLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title MATMUL (twin: interpreter/operators/matmul.py).
contract MatmulProver is IProver {
    using DescriptorLib for bytes;
    using ElementLib for WitnessReader.Reader;
    using WitnessReader for WitnessReader.Reader;

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        // Registration bounds dimensions by 2^24, strides and counts by 2^32 and offsets by 2^40.
        unchecked {
            (uint256 run, uint256 runs) = StepsLib.matmulRuns(d);
            uint256 element = context.index / (runs + 1);
            uint256 phase = context.index % (runs + 1);
            if (phase == runs) {
                uint256 count = d.number(0) * d.number(1) * d.number(2);
                r.storeOne(d, count, element, context.accumulator);
                return (r.finish(), 0, false);
            }
            int256 sum = phase == 0 ? int256(0) : int256(context.accumulator);
            sum += _reduce(r, d, element, phase * run, run);
            // Truncation is the machine's i64 wrap-around.
            return (r.finish(), int64(sum), false);
        }
    }

    /// @dev The sum over the run of both operands that begins at depth `first`.
    function _reduce(WitnessReader.Reader memory r, bytes calldata d, uint256 element, uint256 first, uint256 run)
        private
        view
        returns (int256)
    {
        unchecked {
            uint256 length = d.number(3) - first;
            if (length > run) length = run;
            uint256 column = element % d.number(2);
            uint256 row = (element / d.number(2)) % d.number(1);
            uint256 batch = element / (d.number(2) * d.number(1));
            uint256 from = d.number(5) + batch * d.number(6) + row * d.number(7) + first;
            uint256 a = r.read(d.a(), d.aType(), d.number(4), from, from + length);
            from = d.number(9) + (batch / d.number(10)) * d.number(11) + column * d.number(12) + first;
            uint256 b = d.number(8) == 0
                ? r.readConstant(from, from + length)
                : r.read(d.b(), d.bType(), d.number(8), from, from + length);
            return _dot(d, a, b, length);
        }
    }

    function _dot(bytes calldata d, uint256 a, uint256 b, uint256 length) private pure returns (int256 sum) {
        uint256 aType = d.aType();
        uint256 bType = d.bType();
        int256 aZero = d.field(13);
        int256 bZero = d.field(14);
        if (aType < 2 && bType < 2) return DotLib.dot(a, b, length, aType == 1, aZero, bType == 1, bZero);
        return _wideDot(a, b, length, aType, aZero, bType, bZero);
    }

    /// @dev As `DotLib.dot` for u8, i8 and i16 in any mixture, an element at a time.
    function _wideDot(
        uint256 a,
        uint256 b,
        uint256 length,
        uint256 aType,
        int256 aZero,
        uint256 bType,
        int256 bZero
    ) private pure returns (int256 sum) {
        assembly ("memory-safe") {
            // Only an i16 has a high byte; only an i8 is extended from its first byte.
            let aHigh := mul(eq(aType, 2), 0xff00)
            let bHigh := mul(eq(bType, 2), 0xff00)
            let aTop := iszero(eq(aType, 1))
            let bTop := iszero(eq(bType, 1))
            let aSize := add(1, eq(aType, 2))
            let bSize := add(1, eq(bType, 2))
            for { let end := add(a, mul(length, aSize)) } lt(a, end) { a := add(a, aSize) } {
                let x := mload(a)
                let w := mload(b)
                x := sub(signextend(aTop, or(byte(0, x), and(shr(232, x), aHigh))), aZero)
                w := sub(signextend(bTop, or(byte(0, w), and(shr(232, w), bHigh))), bZero)
                sum := add(sum, mul(x, w))
                b := add(b, bSize)
            }
        }
    }
}
