// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {DotLib} from "../libraries/DotLib.sol";
import {Float32Lib} from "../libraries/Float32Lib.sol";
import {StoreLib} from "../libraries/StoreLib.sol";
import {WindowLib} from "../libraries/WindowLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title CONV (twin: interpreter/operators/conv.py).
contract ConvProver is IProver {
    using DescriptorLib for bytes;
    using WindowLib for bytes;
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant RUN = 256;
    uint256 private constant PARAMETER_BYTES = 8;

    /// @dev How a kernel is cut into runs.
    struct Shape {
        bool isDense;
        uint256 outChannels;
        uint256 rowLength;
        uint256 kernelSize;
        uint256 chunks;
        uint256 runs;
    }

    /// @dev Elements `[first, last)` of a row; element j is input element `base + j`.
    struct Run {
        int256 base;
        int256 first;
        int256 last;
    }

    function step(Context calldata context, bytes calldata descriptor, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        Shape memory s = _shapeOf(descriptor);
        // Registration bounds every dimension by 2^24 and every tensor by 2^32 elements.
        unchecked {
            uint256 element = context.index / (s.runs + 1);
            uint256 phase = context.index % (s.runs + 1);
            if (phase == s.runs) return (_finish(r, descriptor, s, element, context.accumulator), 0, false);
            int256 sum = phase == 0 ? int256(0) : int256(context.accumulator);
            sum += _reduce(r, descriptor, s, element, phase);
            // Truncation is the machine's i64 wrap-around.
            return (r.finish(), int64(sum), false);
        }
    }

    function _shapeOf(bytes calldata d) private pure returns (Shape memory s) {
        unchecked {
            uint256 groups = d.number(14);
            s.isDense = groups == 1 && d.number(13) == 1;
            s.outChannels = d.number(5);
            s.rowLength = s.isDense ? d.number(7) * d.number(2) : d.number(2) / groups;
            uint256 rows = s.isDense ? d.number(6) : d.number(6) * d.number(7);
            s.kernelSize = rows * s.rowLength;
            s.chunks = (s.rowLength + RUN - 1) / RUN;
            s.runs = rows * s.chunks;
        }
    }

    function _reduce(
        WitnessReader.Reader memory r,
        bytes calldata d,
        Shape memory s,
        uint256 element,
        uint256 phase
    ) private view returns (int256) {
        unchecked {
            uint256 row = phase / s.chunks;
            uint256 channel = element % s.outChannels;
            Run memory run = _runAt(d, s, element / s.outChannels, channel, row, (phase % s.chunks) * RUN);
            if (run.first >= run.last) return 0;
            uint256 length = uint256(run.last - run.first);
            uint256 from = uint256(run.base + run.first);
            WitnessReader.Tensor memory input =
                WitnessReader.tensor(d.a(), d.aType(), d.number(0) * d.number(1) * d.number(2));
            uint256 x = r.read(input, from, from + length);
            from = d.number(19) + channel * s.kernelSize + row * s.rowLength + uint256(run.first);
            uint256 w = r.readConstant(from, from + length);
            return DotLib.dot(x, w, length, d.aType() == 1, d.field(15), true, 0);
        }
    }

    /// @dev Clip the chunk that begins at `first` to what lies inside the input.
    function _runAt(
        bytes calldata d,
        Shape memory s,
        uint256 position,
        uint256 channel,
        uint256 row,
        uint256 first
    ) private pure returns (Run memory run) {
        unchecked {
            uint256 outRow = position / d.number(4);
            uint256 outColumn = position % d.number(4);
            uint256 last = first + RUN < s.rowLength ? first + RUN : s.rowLength;
            run.first = int256(first);
            run.last = int256(last);
            if (s.isDense) {
                int256 width = d.field(1) * d.field(2);
                int256 start = d.columnAt(outColumn, 0) * d.field(2);
                int256 inRow = d.rowAt(outRow, row);
                if (inRow < 0 || inRow >= d.field(0)) return Run(0, 0, 0);
                if (run.first < -start) run.first = -start;
                if (run.last > width - start) run.last = width - start;
                run.base = inRow * width + start;
            } else {
                int256 inRow = d.rowAt(outRow, row / d.number(7));
                int256 inColumn = d.columnAt(outColumn, row % d.number(7));
                if (!d.isInside(inRow, inColumn)) return Run(0, 0, 0);
                uint256 group = channel / (s.outChannels / d.number(14));
                run.base = (inRow * d.field(1) + inColumn) * d.field(2) + int256(group * s.rowLength);
            }
        }
    }

    function _finish(
        WitnessReader.Reader memory r,
        bytes calldata d,
        Shape memory s,
        uint256 element,
        int64 accumulator
    ) private view returns (bytes32) {
        unchecked {
            uint256 from = d.number(20) + PARAMETER_BYTES * (element % s.outChannels);
            uint256 pointer = r.readConstant(from, from + PARAMETER_BYTES);
            int256 bias;
            uint256 scale;
            assembly ("memory-safe") {
                // Two little-endian 32-bit words.
                function swap(word) -> result {
                    result := or(byte(28, word), shl(8, byte(29, word)))
                    result := or(result, or(shl(16, byte(30, word)), shl(24, byte(31, word))))
                }
                let words := mload(pointer)
                bias := signextend(3, swap(shr(224, words)))
                scale := swap(and(shr(192, words), 0xffffffff))
            }
            int256 value = Float32Lib.rescale(int64(int256(accumulator) + bias), scale) + d.field(16);
            if (value < d.field(17)) value = d.field(17);
            if (value > d.field(18)) value = d.field(18);
            uint256 count = d.number(3) * d.number(4) * s.outChannels;
            StoreLib.storeByte(r, WitnessReader.tensor(d.dst(), d.dstType(), count), element, value);
            return r.finish();
        }
    }
}
