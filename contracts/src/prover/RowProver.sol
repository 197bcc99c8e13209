// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {ElementLib} from "../libraries/ElementLib.sol";
import {GridLib} from "../libraries/GridLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title SCALE, COMBINE, ROOT and MASK: up to 32 elements of one row a step (twins: interpreter/operators/scale.py,
/// combine.py).
contract RowProver is IProver {
    using DescriptorLib for bytes;
    using ElementLib for WitnessReader.Reader;
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant MULTIPLY = 1;
    uint256 private constant DIVIDE = 2;
    int256 private constant MAX_DIVISOR = 1 << 62;

    /// @dev What one SCALE step applies to every element.
    struct Scaling {
        uint256 aType;
        uint256 dstType;
        uint256 params;
        bool isAfter;
        int256 bias;
        int256 multiplier;
        int256 factor;
        int256 divisor;
        int256 zero;
        int256 low;
        int256 high;
    }

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        uint256 opcode = d.opcode();
        uint256 out = ElementLib.room();
        GridLib.Span memory s =
            opcode == DescriptorLib.ROOT ? GridLib.ofRow(d, context.index) : GridLib.ofRows(d, context.index);
        uint256 a = r.read(d.a(), d.aType(), s.count, s.from, s.to);
        // Registration bounds every field; sums and products of i64 stay far below 2^255.
        unchecked {
            uint256 length = s.to - s.from;
            if (opcode == DescriptorLib.SCALE) _scale(_scalingOf(r, d, s), a, out, length);
            else if (opcode == DescriptorLib.COMBINE) _combine(r, d, s, a, out);
            else if (opcode == DescriptorLib.ROOT) _root(d, a, out, length);
            else _mask(r, d, context.iteration, s, a, out);
            r.store(d, s.count, s.from, out, length);
        }
        return (r.finish(), context.accumulator, false);
    }

    function _scalingOf(WitnessReader.Reader memory r, bytes calldata d, GridLib.Span memory s)
        private
        view
        returns (Scaling memory c)
    {
        unchecked {
            uint256 mode = d.number(2);
            uint256 shift = d.number(3);
            c.factor = 1;
            c.divisor = int256(1 << shift);
            if (mode != 0) {
                int256 b = r.readOne(d.b(), d.bType(), d.number(11), d.number(12) + s.row);
                if (mode == MULTIPLY) {
                    c.factor = b;
                } else {
                    c.divisor = (b < 1 ? int256(1) : b) << shift;
                    if (c.divisor > MAX_DIVISOR) c.divisor = MAX_DIVISOR;
                }
            }
            if (d.field(5) >= 0) {
                uint256 from = d.number(5) + 8 * s.column;
                c.params = r.readConstant(from, from + 8 * (s.to - s.from));
            }
            c.aType = d.aType();
            c.dstType = d.dstType();
            c.isAfter = d.field(4) == 1;
            c.bias = d.field(6);
            c.multiplier = d.field(7);
            c.zero = d.field(8);
            c.low = d.field(9);
            c.high = d.field(10);
        }
    }

    function _scale(Scaling memory c, uint256 a, uint256 out, uint256 length) private pure {
        unchecked {
            int256 bias = c.bias;
            int256 multiplier = c.multiplier;
            for (uint256 i = 0; i < length; ++i) {
                if (c.params != 0) {
                    multiplier = ElementLib.load(c.params, i, 4);
                    bias = int32(multiplier);
                    multiplier >>= 32;
                }
                int256 x = ElementLib.load(a, i, c.aType);
                if (!c.isAfter) x += bias;
                // Below 2^160: one truncation is as good as one after each operation.
                x = ElementLib.wrap(x * multiplier * c.factor);
                x = ElementLib.divideRounded(x, c.divisor) + c.zero;
                if (c.isAfter) x += bias;
                ElementLib.put(out, i, c.dstType, ElementLib.clamp(ElementLib.wrap(x), c.low, c.high));
            }
        }
    }

    function _combine(
        WitnessReader.Reader memory r,
        bytes calldata d,
        GridLib.Span memory s,
        uint256 a,
        uint256 out
    ) private view {
        unchecked {
            bool isPerRow = d.field(3) == 1;
            uint256 bType = d.bType();
            uint256 b = isPerRow
                ? r.read(d.b(), bType, d.number(0), s.row, s.row + 1)
                : r.read(d.b(), bType, s.count, s.from, s.to);
            int256 divisor = int256(1 << d.number(4));
            for (uint256 i = 0; i < s.to - s.from; ++i) {
                int256 x = ElementLib.load(a, i, d.aType());
                int256 y = ElementLib.load(b, isPerRow ? 0 : i, bType);
                x = d.number(2) == 0 ? x + y : d.number(2) == 1 ? x - y : x * y;
                x = ElementLib.divideRounded(ElementLib.wrap(x), divisor);
                ElementLib.put(out, i, d.dstType(), ElementLib.clamp(x, d.field(5), d.field(6)));
            }
        }
    }

    function _root(bytes calldata d, uint256 a, uint256 out, uint256 length) private pure {
        unchecked {
            uint256 dstType = d.dstType();
            int256 high = DescriptorLib.maximumOf(dstType);
            for (uint256 i = 0; i < length; ++i) {
                int256 x = ElementLib.wrap(ElementLib.load(a, i, 4) << d.number(1));
                int256 root = x < 1 ? int256(1) : int256(_squareRoot(uint256(x)));
                ElementLib.put(out, i, dstType, root > high ? high : root);
            }
        }
    }

    function _mask(
        WitnessReader.Reader memory r,
        bytes calldata d,
        uint256 iteration,
        GridLib.Span memory s,
        uint256 a,
        uint256 out
    ) private view {
        unchecked {
            uint256 valid = iteration + 1;
            if (d.number(2) == 1) {
                int256 given = r.readOne(d.b(), d.bType(), d.number(3), d.number(4));
                valid = uint256(ElementLib.clamp(given, 1, d.field(1)));
            }
            uint256 dtype = d.dstType();
            for (uint256 i = 0; i < s.to - s.from; ++i) {
                int256 x = s.column + i < valid ? ElementLib.load(a, i, dtype) : d.field(5);
                ElementLib.put(out, i, dtype, x);
            }
        }
    }

    /// @dev Newton's iteration falls from above to the floor of the root; 1 <= v < 2^63.
    function _squareRoot(uint256 v) private pure returns (uint256 root) {
        unchecked {
            uint256 guess = 1;
            for (uint256 rest = v; rest != 0; rest >>= 2) guess <<= 1;
            do {
                root = guess;
                guess = (root + v / root) >> 1;
            } while (guess < root);
        }
    }
}
