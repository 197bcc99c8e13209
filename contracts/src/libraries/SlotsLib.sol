// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";
import {OperandsLib} from "./OperandsLib.sol";

/// @title What each slot holds while a program is checked (docs/spec/program.md, "Registration rules", 4).
/// @dev An entry is 0 when the slot is empty, else `(dtype + 1) << 40 | count`, below 2^64; KEPT is added to the entry
/// of a slot that lives across iterations.
library SlotsLib {
    using DescriptorLib for bytes;

    uint256 internal constant KEPT = 1 << 48;

    error SlotOutOfRange(uint256 operatorIndex, uint256 slot);
    error InputSlotIsReadOnly(uint256 operatorIndex, uint256 slot);
    error SlotOccupied(uint256 operatorIndex, uint256 slot);
    error SlotEmpty(uint256 operatorIndex, uint256 slot);
    error SlotIsKept(uint256 operatorIndex, uint256 slot);
    error SlotNotKept(uint256 slot);
    error KeepAfterOther(uint256 operatorIndex);
    error WrongSlotType(uint256 operatorIndex, uint256 slot, uint256 found, uint256 needed);
    error SourceIsDestination(uint256 operatorIndex, uint256 slot);

    /// @notice Entry of a tensor type.
    function entryOf(uint256 dtype, uint256 count) internal pure returns (uint256) {
        // dtype <= 4 and count <= 2^32.
        unchecked {
            return ((dtype + 1) << 40) | count;
        }
    }

    /// @notice Check the operands of operator `index`, whose fields are in range, and update the table.
    function update(uint256[] memory table, bytes calldata d, uint256 index, uint256 inputSlot) internal pure {
        uint256 opcode = d.opcode();
        uint256 dst = d.dst();
        if (opcode != DescriptorLib.HALT) {
            if (dst >= table.length) revert SlotOutOfRange(index, dst);
            if (dst == inputSlot) revert InputSlotIsReadOnly(index, dst);
        }
        if (opcode == DescriptorLib.BEGIN || opcode == DescriptorLib.KEEP) {
            if (table[dst] != 0) revert SlotOccupied(index, dst);
            if (opcode == DescriptorLib.KEEP && _keptIn(table) != index) revert KeepAfterOther(index);
            table[dst] = entryOf(d.dstType(), d.number(0)) | (opcode == DescriptorLib.KEEP ? KEPT : 0);
        } else if (opcode == DescriptorLib.FREE) {
            if (table[dst] == 0) revert SlotEmpty(index, dst);
            if (table[dst] & KEPT != 0) revert SlotIsKept(index, dst);
            table[dst] = 0;
        } else {
            (uint256 aCount, uint256 bCount, uint256 dstCount) = OperandsLib.countsOf(d);
            if (dstCount != 0) _requireType(table, index, dst, entryOf(d.dstType(), dstCount));
            if (aCount != 0) _requireSource(table, index, d.a(), dst, dstCount, entryOf(d.aType(), aCount));
            if (bCount != 0) _requireSource(table, index, d.b(), dst, dstCount, entryOf(d.bType(), bCount));
        }
    }

    /// @notice Check that what an iteration leaves behind is what the next one expects.
    function requireRepeatable(uint256[] memory table, uint256 inputSlot) internal pure {
        for (uint256 slot = 0; slot < table.length; ++slot) {
            if (slot != inputSlot && table[slot] != 0 && table[slot] & KEPT == 0) revert SlotNotKept(slot);
        }
    }

    /// @dev All operators so far were KEEP if they are as many as the kept slots. A KEEP behind a BEGIN and a FREE of its
    /// slot would let them meet the kept tensor in the next iteration.
    function _keptIn(uint256[] memory table) private pure returns (uint256 count) {
        unchecked {
            for (uint256 slot = 0; slot < table.length; ++slot) {
                if (table[slot] & KEPT != 0) ++count;
            }
        }
    }

    /// @dev An operator without a destination (`dstCount` 0) may read any slot.
    function _requireSource(
        uint256[] memory table,
        uint256 index,
        uint256 slot,
        uint256 dst,
        uint256 dstCount,
        uint256 needed
    ) private pure {
        if (slot >= table.length) revert SlotOutOfRange(index, slot);
        if (dstCount != 0 && slot == dst) revert SourceIsDestination(index, slot);
        _requireType(table, index, slot, needed);
    }

    function _requireType(uint256[] memory table, uint256 index, uint256 slot, uint256 needed) private pure {
        uint256 found = table[slot] & ~KEPT;
        if (found != needed) revert WrongSlotType(index, slot, found, needed);
    }
}
