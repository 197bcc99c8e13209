// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title COPY (twin: interpreter/operators/copy.py).
contract CopyProver is IProver {
    using DescriptorLib for bytes;
    using WitnessReader for WitnessReader.Reader;

    /// @dev `count` elements from source element `source` to destination element `target`.
    struct Span {
        uint256 source;
        uint256 target;
        uint256 count;
    }

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        // Registration bounds offsets, strides and counts by 2^32.
        unchecked {
            uint256 size = DescriptorLib.sizeOf(d.dstType());
            Span memory span = d.field(10) == 1
                ? _runAt(d, context.index, context.iteration, size)
                : _elementAt(d, context.index, context.iteration);
            if (span.count != 0) {
                uint256 length = span.count * size;
                WitnessReader.Tensor memory from = WitnessReader.tensor(d.a(), d.aType(), d.number(0));
                uint256 pointer = r.read(from, span.source * size, span.source * size + length);
                WitnessReader.Tensor memory to = WitnessReader.tensor(d.dst(), d.dstType(), d.number(1));
                r.store(to, span.target * size, pointer, length);
            }
            return (r.finish(), context.accumulator, false);
        }
    }

    /// @dev The part of a row inside the k-th destination leaf from where the row starts.
    function _runAt(bytes calldata d, uint256 index, uint256 iteration, uint256 size)
        private
        pure
        returns (Span memory span)
    {
        unchecked {
            uint256 rowLength = d.number(5);
            uint256 chunks = (rowLength * size + 254) / 256 + 1;
            span = _elementAt(d, (index / chunks) * rowLength, iteration);
            uint256 perLeaf = 256 / size;
            uint256 leafStart = (span.target / perLeaf + index % chunks) * perLeaf;
            uint256 first = leafStart > span.target ? leafStart - span.target : 0;
            uint256 last = leafStart + perLeaf - span.target;
            if (last > rowLength) last = rowLength;
            span.source += first;
            span.target += first;
            span.count = last > first ? last - first : 0;
        }
    }

    /// @dev Element `element` of the row-major order over the four sizes.
    function _elementAt(bytes calldata d, uint256 element, uint256 iteration)
        private
        pure
        returns (Span memory span)
    {
        unchecked {
            span.source = d.number(6) + iteration * d.number(15);
            span.target = d.number(11) + iteration * d.number(16);
            span.count = 1;
            for (uint256 axis = 4; axis > 0; --axis) {
                uint256 size = d.number(1 + axis);
                uint256 i = element % size;
                element /= size;
                span.source += i * d.number(6 + axis);
                // The last destination stride is 1 and not encoded.
                span.target += axis == 4 ? i : i * d.number(11 + axis);
            }
        }
    }
}
