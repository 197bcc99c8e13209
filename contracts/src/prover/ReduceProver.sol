// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {ElementLib} from "../libraries/ElementLib.sol";
import {StepsLib} from "../libraries/StepsLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title REDUCE (twin: interpreter/operators/reduce.py).
contract ReduceProver is IProver {
    using DescriptorLib for bytes;
    using ElementLib for WitnessReader.Reader;
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant SUM = 0;
    uint256 private constant SQUARES = 1;
    uint256 private constant MAX = 2;
    uint256 private constant MAXABS = 3;
    uint256 private constant PICK = 4;

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        // Registration bounds both dimensions by 2^24.
        unchecked {
            (uint256 run, uint256 runs) = StepsLib.reduceRuns(d);
            uint256 row = context.index / (runs + 1);
            uint256 phase = context.index % (runs + 1);
            if (phase == runs) {
                r.storeOne(d, d.number(0), row, _result(d, context.accumulator));
                return (r.finish(), 0, false);
            }
            int256 accumulator = phase == 0 ? _identity(r, d) : int256(context.accumulator);
            uint256 columns = d.number(1);
            uint256 first = phase * run;
            uint256 last = first + run < columns ? first + run : columns;
            uint256 pointer =
                r.read(d.a(), d.aType(), d.number(0) * columns, row * columns + first, row * columns + last);
            accumulator = d.number(2) == PICK
                ? _pick(d.aType(), pointer, first, last, accumulator)
                : _fold(d.number(2), d.aType(), pointer, last - first, accumulator);
            // Each fold keeps to the i64 range.
            return (r.finish(), int64(accumulator), false);
        }
    }

    function _identity(WitnessReader.Reader memory r, bytes calldata d) private view returns (int256) {
        uint256 kind = d.number(2);
        if (kind == MAX) return type(int64).min;
        if (kind != PICK) return 0;
        int256 drawn = r.readOne(d.b(), d.bType(), 1, 0);
        return drawn < 0 ? int256(0) : drawn;
    }

    function _fold(uint256 kind, uint256 dtype, uint256 pointer, uint256 length, int256 accumulator)
        private
        pure
        returns (int256)
    {
        unchecked {
            for (uint256 i = 0; i < length; ++i) {
                int256 x = ElementLib.load(pointer, i, dtype);
                if (kind == SUM) {
                    accumulator = ElementLib.wrap(accumulator + x);
                } else if (kind == SQUARES) {
                    accumulator = ElementLib.wrap(accumulator + x * x);
                } else {
                    if (kind == MAXABS && x < 0) x = x == type(int64).min ? int256(type(int64).max) : -x;
                    if (x > accumulator) accumulator = x;
                }
            }
        }
        return accumulator;
    }

    /// @dev What is left of the draw, or -1 - column once a column has taken it.
    function _pick(uint256 dtype, uint256 pointer, uint256 first, uint256 last, int256 left)
        private
        pure
        returns (int256)
    {
        unchecked {
            for (uint256 column = first; column < last && left >= 0; ++column) {
                int256 x = ElementLib.load(pointer, column - first, dtype);
                if (left < x) return -1 - int256(column);
                if (x > 0) left -= x;
            }
        }
        return left;
    }

    function _result(bytes calldata d, int64 accumulator) private pure returns (int256) {
        unchecked {
            int256 value = accumulator;
            if (d.number(2) != PICK) return value;
            return value < 0 ? -1 - value : d.field(1) - 1;
        }
    }
}
