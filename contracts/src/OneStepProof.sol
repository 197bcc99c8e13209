// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IOneStepProof} from "./interfaces/IOneStepProof.sol";
import {IProver} from "./interfaces/IProver.sol";
import {DescriptorLib} from "./libraries/DescriptorLib.sol";
import {HeaderLib} from "./libraries/HeaderLib.sol";
import {Sha256Lib} from "./libraries/Sha256Lib.sol";
import {StateLib} from "./libraries/StateLib.sol";
import {StepsLib} from "./libraries/StepsLib.sol";

/// @title Checks what a step claims to be and hands it to the prover of its operator family.
/// @dev The encoding of a proof is in docs/spec/state.md; twin: interpreter/machine.py, verify.
contract OneStepProof is IOneStepProof {
    using DescriptorLib for bytes;
    using HeaderLib for bytes;

    /// @dev halted u8, memory_root 32, accumulator i64, operator_index u32.
    uint256 private constant STATE_BYTES = 45;

    IProver public immutable control;
    IProver public immutable conv;
    IProver public immutable pool;
    IProver public immutable map;
    IProver public immutable copy;
    IProver public immutable matmul;
    IProver public immutable reduce;
    IProver public immutable row;
    IProver public immutable table;
    IProver public immutable token;

    /// @dev The parts of a proof, as calldata offsets and values.
    struct Parts {
        bool halted;
        bytes32 memoryRoot;
        int64 accumulator;
        uint256 operatorIndex;
    }

    error ProofTooShort(uint256 length, uint256 needed);
    error UnknownHeader(bytes32 programRoot);
    error InvalidHalted(uint256 value);
    error StepPastEnd(uint64 step);
    error DescriptorNotProven(uint256 operatorIndex);
    error StepOutsideOperator(uint64 step, uint256 operatorIndex);
    error HaltedWitness(uint256 length);
    error UnknownOpcode(uint256 opcode);

    /// @param provers In the order in which they are declared above.
    constructor(IProver[10] memory provers) {
        control = provers[0];
        conv = provers[1];
        pool = provers[2];
        map = provers[3];
        copy = provers[4];
        matmul = provers[5];
        reduce = provers[6];
        row = provers[7];
        table = provers[8];
        token = provers[9];
    }

    function prove(bytes32 programRoot, uint32 iterations, uint64 step, bytes calldata proof)
        external
        view
        returns (bytes32 preStateHash, bytes32 postStateHash)
    {
        bytes calldata header = _headerOf(proof, programRoot);
        Parts memory p = _partsOf(proof[header.length:]);
        preStateHash = StateLib.hashState(step, p.halted, p.memoryRoot, p.accumulator);
        if (step / header.stepsPerIteration() >= iterations) revert StepPastEnd(step);

        bytes calldata rest = proof[header.length + STATE_BYTES:];
        (bytes calldata descriptor, bytes calldata witness) = _descriptorOf(header, rest, p.operatorIndex);
        IProver.Context memory context = _contextOf(header, descriptor, iterations, step, p);
        if (p.halted) {
            if (witness.length != 0) revert HaltedWitness(witness.length);
        } else {
            (p.memoryRoot, p.accumulator, p.halted) =
                proverOf(descriptor.opcode()).step(context, descriptor, witness);
        }
        postStateHash = StateLib.hashState(step + 1, p.halted, p.memoryRoot, p.accumulator);
    }

    /// @notice The prover that executes an opcode.
    function proverOf(uint256 opcode) public view returns (IProver) {
        if (opcode >= DescriptorLib.BEGIN && opcode <= DescriptorLib.KEEP) return control;
        if (opcode == DescriptorLib.CONV) return conv;
        if (opcode == DescriptorLib.MAXPOOL) return pool;
        if (opcode == DescriptorLib.MATMUL) return matmul;
        if (opcode == DescriptorLib.REDUCE) return reduce;
        if (opcode >= DescriptorLib.ADD && opcode <= DescriptorLib.TABLE) return map;
        if (opcode >= DescriptorLib.SCALE && opcode <= DescriptorLib.MASK) return row;
        if (opcode == DescriptorLib.COPY) return copy;
        if (opcode == DescriptorLib.ROTATE) return table;
        if (opcode == DescriptorLib.LOOKUP || opcode == DescriptorLib.EMBED) return table;
        if (opcode == DescriptorLib.TOKEN || opcode == DescriptorLib.DRAW) return token;
        if (opcode == DescriptorLib.HALT) return token;
        revert UnknownOpcode(opcode);
    }

    function _headerOf(bytes calldata proof, bytes32 programRoot) private view returns (bytes calldata header) {
        if (proof.length < HeaderLib.FIXED_BYTES) revert ProofTooShort(proof.length, HeaderLib.FIXED_BYTES);
        uint256 length = HeaderLib.FIXED_BYTES + 32 * proof.slotDepth();
        uint256 needed = length + STATE_BYTES + DescriptorLib.BYTES;
        if (proof.length < needed) revert ProofTooShort(proof.length, needed);
        header = proof[:length];
        uint256 offset;
        assembly ("memory-safe") {
            offset := header.offset
        }
        if (Sha256Lib.ofCalldata(offset, length) != programRoot) revert UnknownHeader(programRoot);
    }

    function _partsOf(bytes calldata rest) private pure returns (Parts memory p) {
        uint256 halted = uint8(rest[0]);
        if (halted > 1) revert InvalidHalted(halted);
        p.halted = halted == 1;
        p.memoryRoot = bytes32(rest[1:33]);
        p.accumulator = int64(uint64(bytes8(rest[33:41])));
        p.operatorIndex = uint32(bytes4(rest[41:45]));
    }

    function _descriptorOf(bytes calldata header, bytes calldata rest, uint256 index)
        private
        view
        returns (bytes calldata descriptor, bytes calldata witness)
    {
        uint256 count = header.operatorCount();
        uint256 depth = Sha256Lib.depthOf(count);
        uint256 needed = DescriptorLib.BYTES + 32 * depth;
        if (rest.length < needed) revert ProofTooShort(rest.length, needed);
        descriptor = rest[:DescriptorLib.BYTES];
        witness = rest[needed:];
        uint256 offset;
        assembly ("memory-safe") {
            offset := descriptor.offset
        }
        bytes32 node = Sha256Lib.ofCalldata(offset, DescriptorLib.BYTES);
        node = Sha256Lib.fold(node, index, offset + DescriptorLib.BYTES, depth);
        if (index >= count || node != header.operatorsRoot()) revert DescriptorNotProven(index);
    }

    function _contextOf(
        bytes calldata header,
        bytes calldata descriptor,
        uint32 iterations,
        uint64 step,
        Parts memory p
    ) private pure returns (IProver.Context memory context) {
        uint256 perIteration = header.stepsPerIteration();
        uint256 local = step % perIteration;
        uint256 first = descriptor.firstStep();
        if (local < first || local - first >= StepsLib.stepsOf(descriptor)) {
            revert StepOutsideOperator(step, p.operatorIndex);
        }
        context.index = local - first;
        context.iteration = step / perIteration;
        context.isLast = step / perIteration + 1 == iterations;
        context.outputSlot = header.outputSlot();
        context.slotDepth = header.slotDepth();
        context.memoryRoot = p.memoryRoot;
        context.accumulator = p.accumulator;
        context.constantsRoot = header.constantsRoot();
        context.constantsDepth = Sha256Lib.depthOf(header.constantsBytes() / 256);
    }
}
