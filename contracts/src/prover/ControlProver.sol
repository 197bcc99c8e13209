// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "../libraries/DescriptorLib.sol";
import {Sha256Lib} from "../libraries/Sha256Lib.sol";
import {WitnessReader} from "../libraries/WitnessReader.sol";

/// @title BEGIN, KEEP, FREE and END (twin: interpreter/operators/control.py).
contract ControlProver is IProver {
    using DescriptorLib for bytes;
    using WitnessReader for WitnessReader.Reader;

    function step(Context calldata context, bytes calldata descriptor, bytes calldata witness)
        external
        view
        returns (bytes32, int64, bool)
    {
        WitnessReader.Reader memory r = WitnessReader.start(context, witness);
        uint256 opcode = descriptor.opcode();
        uint256 slot = descriptor.dst();
        if (opcode == DescriptorLib.BEGIN || (opcode == DescriptorLib.KEEP && context.iteration == 0)) {
            (, uint256 path) = r.takeSlot(slot);
            uint256 depth = WitnessReader.tensor(slot, descriptor.dstType(), descriptor.number(0)).depth;
            r.root = Sha256Lib.fold(Sha256Lib.zeroRoot(depth), slot, path, r.slotDepth);
        } else if (opcode == DescriptorLib.FREE) {
            (, uint256 path) = r.takeSlot(slot);
            r.root = Sha256Lib.fold(0, slot, path, r.slotDepth);
        } else if (opcode == DescriptorLib.END && context.isLast) {
            (bytes32 output,) = r.takeSlot(context.outputSlot);
            r.root = Sha256Lib.foldEmpty(output, context.outputSlot, r.slotDepth);
            return (r.finish(), 0, false);
        }
        return (r.finish(), context.accumulator, false);
    }
}
