// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {ElementLib} from "../libraries/ElementLib.sol";
import {Sha256Lib} from "../libraries/Sha256Lib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title TOKEN, DRAW and HALT: what a decoder reads, samples and stops at (twin: interpreter/operators/sequence.py).
contract TokenProver is IProver {
    using DescriptorLib for bytes;
    using ElementLib for WitnessReader.Reader;
    using WitnessReader for WitnessReader.Reader;

    uint256 private constant I32 = 3;
    uint256 private constant SEED_BYTES = 32;

    function step(Context calldata context, bytes calldata d, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        uint256 opcode = d.opcode();
        if (opcode == DescriptorLib.HALT) return _halt(r, d, context);
        int256 value =
            opcode == DescriptorLib.TOKEN ? _token(r, d, context.iteration) : _draw(r, d, context.iteration);
        r.storeOne(d, 1, 0, value);
        return (r.finish(), context.accumulator, false);
    }

    /// @dev The prompt's token at this position, or the one that the position before it gave.
    function _token(WitnessReader.Reader memory r, bytes calldata d, uint256 iteration)
        private
        view
        returns (int256)
    {
        // An iteration is below 2^24 and every count at most 2^32.
        unchecked {
            int256 position = int256(iteration);
            int256 length = r.readOne(d.a(), I32, d.number(0), d.number(1));
            if (position < length) {
                int256 index = ElementLib.clamp(d.field(2) + position, 0, d.field(0) - 1);
                return r.readOne(d.a(), I32, d.number(0), uint256(index));
            }
            int256 last = ElementLib.clamp(position - 1, 0, d.field(3) - 1);
            return r.readOne(d.b(), I32, d.number(3), uint256(last));
        }
    }

    /// @dev A number below the total that follows from the request's seed and the position alone.
    function _draw(WitnessReader.Reader memory r, bytes calldata d, uint256 iteration)
        private
        view
        returns (int256)
    {
        if (r.readOne(d.a(), I32, d.number(0), d.number(2)) != 0) return 0;
        uint256 seed = r.read(d.a(), I32, d.number(0), d.number(1), d.number(1) + SEED_BYTES / 4);
        uint256 pointer = ElementLib.room();
        assembly ("memory-safe") {
            mcopy(pointer, seed, SEED_BYTES)
            mstore(add(pointer, SEED_BYTES), shl(192, iteration))
        }
        uint256 drawn = uint256(Sha256Lib.ofMemory(pointer, SEED_BYTES + 8)) >> 192;
        int256 total = r.readOne(d.b(), d.bType(), 1, 0);
        return int256(drawn % (total < 1 ? 1 : uint256(total)));
    }

    /// @dev Once the prompt is read, one of the end tokens keeps only the output.
    function _halt(WitnessReader.Reader memory r, bytes calldata d, Context calldata context)
        private
        view
        returns (bytes32, int64, bool)
    {
        unchecked {
            int256 token = r.readOne(d.a(), I32, 1, 0);
            int256 length = r.readOne(d.b(), I32, d.number(0), d.number(1));
            if (int256(uint256(context.iteration)) >= length - 1) {
                for (uint256 i = 0; i < d.number(2); ++i) {
                    if (d.field(3 + i) != token) continue;
                    (bytes32 output,) = r.takeSlot(context.outputSlot);
                    r.root = Sha256Lib.foldEmpty(output, context.outputSlot, r.slotDepth);
                    return (r.finish(), 0, true);
                }
            }
            return (r.finish(), context.accumulator, false);
        }
    }
}
