// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {ElementLib} from "../libraries/ElementLib.sol";
import {GridLib} from "../libraries/GridLib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title ROTATE, LOOKUP and EMBED, which read committed tables (twin: interpreter/operators/lookup.py).
contract TableProver is IProver {
    using DescriptorLib for bytes;
    using ElementLib for WitnessReader.Reader;
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant I16 = 2;

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        uint256 opcode = d.opcode();
        if (opcode == DescriptorLib.ROTATE) _rotate(r, d, context);
        else if (opcode == DescriptorLib.LOOKUP) _lookUp(r, d, context.index);
        else _embed(r, d, context.index);
        return (r.finish(), context.accumulator, false);
    }

    /// @dev Neighbouring elements are a pair, turned by the angle of the position.
    function _rotate(WitnessReader.Reader memory r, bytes calldata d, Context calldata context) private view {
        // Registration bounds every field; products of an i32 and an i16 stay below 2^48.
        unchecked {
            GridLib.Span memory s = GridLib.ofRow(d, context.index);
            uint256 a = r.read(d.a(), d.aType(), s.count, s.from, s.to);
            uint256 angles = _angles(r, d, context.iteration, s);
            uint256 span = 2 * d.number(1) < 64 ? d.number(1) : GridLib.ELEMENTS;
            int256 divisor = int256(1 << d.number(2));
            uint256 out = ElementLib.room();
            for (uint256 i = 0; i < s.to - s.from; i += 2) {
                int256 x = ElementLib.load(a, i, d.aType());
                int256 y = ElementLib.load(a, i + 1, d.aType());
                int256 c = ElementLib.load(angles, i % span, I16);
                int256 n = ElementLib.load(angles, i % span + 1, I16);
                _put(d, out, i, ElementLib.divideRounded(x * c - y * n, divisor));
                _put(d, out, i + 1, ElementLib.divideRounded(x * n + y * c, divisor));
            }
            r.store(d, s.count, s.from, out, s.to - s.from);
        }
    }

    /// @dev The part of the position's row that the span uses: (cosine, sine) of each pair.
    function _angles(WitnessReader.Reader memory r, bytes calldata d, uint256 iteration, GridLib.Span memory s)
        private
        view
        returns (uint256)
    {
        unchecked {
            uint256 head = d.number(1);
            uint256 position = iteration < d.number(4) ? iteration : d.number(4) - 1;
            uint256 length = s.to - s.from < head ? s.to - s.from : head;
            uint256 from = d.number(3) + 2 * (head * position + s.from % head);
            return r.readConstant(from, from + 2 * length);
        }
    }

    function _put(bytes calldata d, uint256 out, uint256 i, int256 value) private pure {
        ElementLib.put(out, i, d.dstType(), ElementLib.clamp(value, d.field(5), d.field(6)));
    }

    function _lookUp(WitnessReader.Reader memory r, bytes calldata d, uint256 element) private view {
        unchecked {
            uint256 count = d.number(0) * d.number(1);
            int256 value = r.readOne(d.a(), d.aType(), count, element);
            value = d.number(2) == 0
                ? value + d.field(3)
                : r.readOne(d.b(), d.bType(), d.number(0), element / d.number(1)) - value;
            value = ElementLib.clamp(ElementLib.wrap(value) >> d.number(4), 0, d.field(5) - 1);
            uint256 size = DescriptorLib.sizeOf(d.dstType());
            uint256 from = d.number(6) + uint256(value) * size;
            r.store(d, count, element, r.readConstant(from, from + size), 1);
        }
    }

    function _embed(WitnessReader.Reader memory r, bytes calldata d, uint256 index) private view {
        unchecked {
            GridLib.Span memory s = GridLib.ofRows(d, index);
            int256 id = int256(s.row);
            if (d.number(6) == 0) id = r.readOne(d.a(), d.aType(), d.number(2), d.number(3) + s.row);
            uint256 row = uint256(ElementLib.clamp(id, 0, d.field(4) - 1));
            uint256 size = DescriptorLib.sizeOf(d.dstType());
            uint256 from = d.number(5) + (row * d.number(1) + s.column) * size;
            uint256 pointer = r.readConstant(from, from + (s.to - s.from) * size);
            r.store(d, s.count, s.from, pointer, s.to - s.from);
        }
    }
}
