// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DescriptorLib} from "./DescriptorLib.sol";

/// @title What each slot holds while a program is checked (docs/spec/program.md, "Registration rules", 4).
/// @dev An entry is 0 when the slot is empty, else `(dtype + 1) << 40 | count`, below 2^64.
library SlotsLib {
    using DescriptorLib for bytes;

    error SlotOutOfRange(uint256 operatorIndex, uint256 slot);
    error InputSlotIsReadOnly(uint256 operatorIndex, uint256 slot);
    error SlotOccupied(uint256 operatorIndex, uint256 slot);
    error SlotEmpty(uint256 operatorIndex, uint256 slot);
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
        if (dst >= table.length) revert SlotOutOfRange(index, dst);
        if (dst == inputSlot) revert InputSlotIsReadOnly(index, dst);
        if (opcode == DescriptorLib.BEGIN) {
            if (table[dst] != 0) revert SlotOccupied(index, dst);
            table[dst] = entryOf(d.dstType(), d.number(0));
        } else if (opcode == DescriptorLib.FREE) {
            if (table[dst] == 0) revert SlotEmpty(index, dst);
            table[dst] = 0;
        } else {
            (uint256 sourceCount, uint256 dstCount) = _countsOf(d, opcode);
            _requireType(table, index, dst, entryOf(d.dstType(), dstCount));
            _requireSource(table, index, d.a(), dst, entryOf(d.aType(), sourceCount));
            if (opcode == DescriptorLib.ADD) {
                _requireSource(table, index, d.b(), dst, entryOf(d.bType(), sourceCount));
            }
        }
    }

    function _requireSource(uint256[] memory table, uint256 index, uint256 slot, uint256 dst, uint256 needed)
        private
        pure
    {
        if (slot >= table.length) revert SlotOutOfRange(index, slot);
        if (slot == dst) revert SourceIsDestination(index, slot);
        _requireType(table, index, slot, needed);
    }

    function _requireType(uint256[] memory table, uint256 index, uint256 slot, uint256 needed) private pure {
        if (table[slot] != needed) revert WrongSlotType(index, slot, table[slot], needed);
    }

    /// @dev Elements of the sources and of the destination; both are in [1, 2^32] once the fields are in range.
    function _countsOf(bytes calldata d, uint256 opcode) private pure returns (uint256 source, uint256 dst) {
        unchecked {
            source = d.number(0);
            if (opcode == DescriptorLib.COPY) return (source, d.number(1));
            if (opcode != DescriptorLib.CONV && opcode != DescriptorLib.MAXPOOL) return (source, source);
            dst = d.number(3) * d.number(4) * (opcode == DescriptorLib.CONV ? d.number(5) : d.number(2));
            source = source * d.number(1) * d.number(2);
        }
    }
}
