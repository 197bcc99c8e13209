// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IProver} from "../interfaces/IProver.sol";
import {DescriptorLib} from "./DescriptorLib.sol";
import {Sha256Lib} from "./Sha256Lib.sol";

/// @title Reads a witness item by item (docs/spec/state.md, "Witness"; twin: interpreter/memory.py, WitnessMemory).
library WitnessReader {
    uint256 private constant LEAF = 256;

    /// @dev `cursor` and `end` are calldata offsets; `root` is the memory root after the stores so far.
    struct Reader {
        uint256 cursor;
        uint256 end;
        bytes32 preRoot;
        bytes32 root;
        uint256 slotDepth;
        bytes32 constantsRoot;
        uint256 constantsDepth;
    }

    /// @dev A tensor as a step addresses it.
    struct Tensor {
        uint256 slot;
        uint256 depth;
    }

    error WitnessTooShort(uint256 missing);
    error WitnessTooLong(uint256 extra);
    error LeafNotProven(uint256 index);
    error ConstantNotProven(uint256 index);
    error SlotNotProven(uint256 slot);

    function start(IProver.Context calldata context, bytes calldata witness)
        internal
        pure
        returns (Reader memory r)
    {
        uint256 offset;
        assembly ("memory-safe") {
            offset := witness.offset
        }
        r.cursor = offset;
        r.end = offset + witness.length;
        r.preRoot = context.memoryRoot;
        r.root = context.memoryRoot;
        r.slotDepth = context.slotDepth;
        r.constantsRoot = context.constantsRoot;
        r.constantsDepth = context.constantsDepth;
    }

    /// @notice The tensor of `count` elements of `dtype` in `slot`.
    function tensor(uint256 slot, uint256 dtype, uint256 count) internal pure returns (Tensor memory) {
        // Registered tensors have at most 2^35 bytes.
        unchecked {
            uint256 bytes_ = count * DescriptorLib.sizeOf(dtype);
            return Tensor(slot, Sha256Lib.depthOf((bytes_ + LEAF - 1) / LEAF));
        }
    }

    /// @notice Memory pointer to the bytes `[from, to)` of a tensor, zero-padded to a whole word.
    /// @dev The range is not empty and touches at most two leaves. The buffer lies past all allocations.
    function read(Reader memory r, Tensor memory t, uint256 from, uint256 to)
        internal
        view
        returns (uint256 pointer)
    {
        unchecked {
            uint256 first = from / LEAF;
            uint256 last = (to - 1) / LEAF;
            pointer = _allocate((last - first + 1) * LEAF);
            for (uint256 leaf = first; leaf <= last; ++leaf) {
                _copyLeaf(pointer + (leaf - first) * LEAF, _takeLeaf(r, t, leaf));
            }
            pointer += from % LEAF;
            _clearTail(pointer, to - from);
        }
    }

    /// @notice As `read`, of the constants.
    function readConstant(Reader memory r, uint256 from, uint256 to) internal view returns (uint256 pointer) {
        unchecked {
            uint256 first = from / LEAF;
            uint256 last = (to - 1) / LEAF;
            pointer = _allocate((last - first + 1) * LEAF);
            for (uint256 leaf = first; leaf <= last; ++leaf) {
                uint256 content = _take(r, LEAF + 32 * r.constantsDepth);
                bytes32 node = Sha256Lib.ofCalldata(content, LEAF);
                node = Sha256Lib.fold(node, leaf, content + LEAF, r.constantsDepth);
                if (node != r.constantsRoot) revert ConstantNotProven(leaf);
                _copyLeaf(pointer + (leaf - first) * LEAF, content);
            }
            pointer += from % LEAF;
            _clearTail(pointer, to - from);
        }
    }

    /// @notice Write `length` bytes of memory at `data` to byte `position` of a tensor, inside one leaf.
    function store(Reader memory r, Tensor memory t, uint256 position, uint256 data, uint256 length) internal view {
        unchecked {
            uint256 leaf = position / LEAF;
            uint256 content = _takeLeaf(r, t, leaf);
            uint256 buffer = _allocate(LEAF);
            _copyLeaf(buffer, content);
            assembly ("memory-safe") {
                mcopy(add(buffer, and(position, 255)), data, length)
            }
            bytes32 node = Sha256Lib.ofMemory(buffer, LEAF);
            uint256 depth = t.depth + r.slotDepth;
            r.root = Sha256Lib.fold(node, (t.slot << t.depth) | leaf, content + LEAF, depth);
        }
    }

    /// @notice Take a slot item: the slot's own root and the calldata offset of its path.
    function takeSlot(Reader memory r, uint256 slot) internal view returns (bytes32 content, uint256 path) {
        uint256 item = _take(r, 32 + 32 * r.slotDepth);
        path = item + 32;
        assembly ("memory-safe") {
            content := calldataload(item)
        }
        if (Sha256Lib.fold(content, slot, path, r.slotDepth) != r.preRoot) revert SlotNotProven(slot);
    }

    /// @notice The post-memory root, once nothing of the witness is left over.
    function finish(Reader memory r) internal pure returns (bytes32) {
        if (r.cursor != r.end) revert WitnessTooLong(r.end - r.cursor);
        return r.root;
    }

    /// @dev One index serves the joined path from leaf to memory root: leaf bits below, slot bits above.
    function _takeLeaf(Reader memory r, Tensor memory t, uint256 leaf) private view returns (uint256 content) {
        unchecked {
            uint256 depth = t.depth + r.slotDepth;
            content = _take(r, LEAF + 32 * depth);
            bytes32 node = Sha256Lib.ofCalldata(content, LEAF);
            node = Sha256Lib.fold(node, (t.slot << t.depth) | leaf, content + LEAF, depth);
            if (node != r.preRoot) revert LeafNotProven(leaf);
        }
    }

    function _take(Reader memory r, uint256 length) private pure returns (uint256 item) {
        unchecked {
            item = r.cursor;
            if (item + length > r.end) revert WitnessTooShort(item + length - r.end);
            r.cursor = item + length;
        }
    }

    /// @dev One word more than asked for, so that `_clearTail` may write past the end.
    function _allocate(uint256 length) private pure returns (uint256 pointer) {
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, add(length, 32)))
        }
    }

    function _copyLeaf(uint256 pointer, uint256 content) private pure {
        assembly ("memory-safe") {
            calldatacopy(pointer, content, 256)
        }
    }

    function _clearTail(uint256 pointer, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(add(pointer, length), 0)
        }
    }
}
