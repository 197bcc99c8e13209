// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {StoreLib} from "../libraries/StoreLib.sol";
import {WindowLib} from "../libraries/WindowLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title MAXPOOL (twin: interpreter/operators/pool.py).
contract PoolProver is IProver {
    using DescriptorLib for bytes;
    using WindowLib for bytes;
    using WitnessReader for WitnessReader.Reader;

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        // Registration bounds every dimension by 2^24 and every tensor by 2^32 elements.
        unchecked {
            uint256 taps = d.number(6) * d.number(7);
            uint256 element = context.index / (taps + 1);
            uint256 tap = context.index % (taps + 1);
            if (tap == taps) return (_finish(r, d, element, context.accumulator), 0, false);
            int256 largest = tap == 0 ? int256(type(int64).min) : int256(context.accumulator);
            return _reduce(r, d, element, tap, largest);
        }
    }

    function _reduce(
        WitnessReader.Reader memory r,
        bytes calldata d,
        uint256 element,
        uint256 tap,
        int256 largest
    ) private view returns (bytes32, int64, bool) {
        unchecked {
            uint256 channels = d.number(2);
            uint256 position = element / channels;
            int256 row = d.rowAt(position / d.number(4), tap / d.number(7));
            int256 column = d.columnAt(position % d.number(4), tap % d.number(7));
            if (d.isInside(row, column)) {
                uint256 from = (uint256(row) * d.number(1) + uint256(column)) * channels + element % channels;
                WitnessReader.Tensor memory input =
                    WitnessReader.tensor(d.a(), d.aType(), d.number(0) * d.number(1) * channels);
                uint256 pointer = r.read(input, from, from + 1);
                bool isSigned = d.aType() == 1;
                int256 x;
                assembly ("memory-safe") {
                    x := byte(0, mload(pointer))
                    if isSigned { x := signextend(0, x) }
                }
                if (x > largest) largest = x;
            }
            // `largest` is an i64 or a byte.
            return (r.finish(), int64(largest), false);
        }
    }

    function _finish(WitnessReader.Reader memory r, bytes calldata d, uint256 element, int64 accumulator)
        private
        view
        returns (bytes32)
    {
        unchecked {
            int256 value = accumulator;
            int256 low = DescriptorLib.minimumOf(d.dstType());
            int256 high = DescriptorLib.maximumOf(d.dstType());
            if (value < low) value = low;
            if (value > high) value = high;
            uint256 count = d.number(3) * d.number(4) * d.number(2);
            StoreLib.storeByte(r, WitnessReader.tensor(d.dst(), d.dstType(), count), element, value);
            return r.finish();
        }
    }
}
