// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Cuts and commitments of dissections (docs/spec/dispute.md, "Dissections").
library DissectionLib {
    error WrongHashCount(uint256 given, uint256 needed);
    error WrongSiblingCount(uint256 given, uint256 needed);
    error SegmentOutOfRange(uint256 segment, uint256 parts);
    error SegmentNotInDissection(uint256 segment, bytes32 startHash, bytes32 endHash);

    /// @notice Number of parts of a dissection of `length` steps: min(arity, length).
    function partsOf(uint256 length, uint256 arity) internal pure returns (uint256) {
        return length < arity ? length : arity;
    }

    /// @notice First step and length of segment `index` of a dissection of `[start, start + length)`.
    function segmentRange(uint256 start, uint256 length, uint256 parts, uint256 index)
        internal
        pure
        returns (uint256 segmentStart, uint256 segmentLength)
    {
        // length < 2^63 and index < parts <= 256, so no product or sum overflows.
        unchecked {
            uint256 low = (length * index) / parts;
            uint256 high = (length * (index + 1)) / parts;
            return (start + low, high - low);
        }
    }

    /// @notice Commitment to a dissection that starts at `startHash`: the Merkle root over one leaf
    /// `keccak256(h_j || h_(j+1))` per segment, padded on the right with zero leaves.
    function commitmentOf(bytes32 startHash, bytes32[] calldata hashes) internal pure returns (bytes32 root) {
        assembly ("memory-safe") {
            // The leaves and then each level above overwrite one scratch region past the free pointer.
            let base := mload(0x40)
            let count := hashes.length
            let size := shl(5, count)
            mstore(0x00, startHash)
            for { let at := 0 } lt(at, size) { at := add(at, 0x20) } {
                let next := calldataload(add(hashes.offset, at))
                mstore(0x20, next)
                mstore(add(base, at), keccak256(0x00, 0x40))
                mstore(0x00, next)
            }
            // `empty` is the padding node of the level, needed when a level has an odd number of nodes.
            let empty := 0
            for {} gt(count, 1) {} {
                if and(count, 1) {
                    mstore(add(base, shl(5, count)), empty)
                    count := add(count, 1)
                }
                let width := shl(5, count)
                for { let at := 0 } lt(at, width) { at := add(at, 0x40) } {
                    mstore(add(base, shr(1, at)), keccak256(add(base, at), 0x40))
                }
                mstore(0x00, empty)
                mstore(0x20, empty)
                empty := keccak256(0x00, 0x40)
                count := shr(1, count)
            }
            root := mload(base)
        }
    }

    /// @notice Check that segment `index` of the dissection `root` with `parts` parts runs from `startHash` to `endHash`.
    function checkSegment(
        bytes32 root,
        uint256 parts,
        uint256 index,
        bytes32 startHash,
        bytes32 endHash,
        bytes32[] calldata siblings
    ) internal pure {
        if (index >= parts) revert SegmentOutOfRange(index, parts);
        uint256 depth = depthOf(parts);
        if (siblings.length != depth) revert WrongSiblingCount(siblings.length, depth);
        bytes32 node;
        assembly ("memory-safe") {
            mstore(0x00, startHash)
            mstore(0x20, endHash)
            node := keccak256(0x00, 0x40)
            for { let level := 0 } lt(level, depth) { level := add(level, 1) } {
                // The node goes to word 1 when it is a right child, its sibling to the other word.
                let side := shl(5, and(shr(level, index), 1))
                mstore(side, node)
                mstore(xor(side, 0x20), calldataload(add(siblings.offset, shl(5, level))))
                node := keccak256(0x00, 0x40)
            }
        }
        if (node != root) revert SegmentNotInDissection(index, startHash, endHash);
    }

    /// @notice Depth of the tree over `parts` leaves: the least d with 2^d >= parts.
    function depthOf(uint256 parts) internal pure returns (uint256 depth) {
        // parts <= 256, so neither operation overflows.
        unchecked {
            while ((1 << depth) < parts) ++depth;
        }
    }

    /// @notice Number of dissections of a game over `length` steps: how often n -> ceil(n / arity) applies until 1.
    function dissectionsOf(uint256 length, uint256 arity) internal pure returns (uint256 count) {
        // length < 2^64 and arity <= 256: the sum stays far below 2^256 and the loop runs at most 64 times.
        unchecked {
            while (length > 1) {
                length = (length + arity - 1) / arity;
                ++count;
            }
        }
    }
}
