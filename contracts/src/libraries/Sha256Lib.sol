// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title SHA-256 over calldata and along Merkle paths, success and return size always checked.
library Sha256Lib {
    error Sha256Failed();

    /// @notice SHA-256 of `length` calldata bytes at `offset`.
    function ofCalldata(uint256 offset, uint256 length) internal view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, offset, length)
            ok := staticcall(gas(), 2, buffer, length, 0x00, 32)
            ok := and(ok, eq(returndatasize(), 32))
            result := mload(0x00)
        }
        if (!ok) revert Sha256Failed();
    }

    /// @notice SHA-256 of `length` bytes of memory at `pointer`.
    function ofMemory(uint256 pointer, uint256 length) internal view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            ok := staticcall(gas(), 2, pointer, length, 0x00, 32)
            ok := and(ok, eq(returndatasize(), 32))
            result := mload(0x00)
        }
        if (!ok) revert Sha256Failed();
    }

    /// @notice SHA-256 of two words.
    function ofPair(bytes32 left, bytes32 right) internal view returns (bytes32 result) {
        bool ok;
        assembly ("memory-safe") {
            mstore(0x00, left)
            mstore(0x20, right)
            ok := staticcall(gas(), 2, 0x00, 64, 0x00, 32)
            ok := and(ok, eq(returndatasize(), 32))
            result := mload(0x00)
        }
        if (!ok) revert Sha256Failed();
    }

    /// @notice Root of `node` at `index` under `depth` siblings in calldata at `path`, leaf upwards.
    function fold(bytes32 node, uint256 index, uint256 path, uint256 depth)
        internal
        view
        returns (bytes32)
    {
        bool ok = true;
        assembly ("memory-safe") {
            for { let end := add(path, shl(5, depth)) } lt(path, end) { path := add(path, 32) } {
                // A right child goes to word 1 and its sibling to word 0.
                let side := shl(5, and(index, 1))
                mstore(side, node)
                mstore(xor(side, 32), calldataload(path))
                ok := and(ok, staticcall(gas(), 2, 0x00, 64, 0x00, 32))
                ok := and(ok, eq(returndatasize(), 32))
                node := mload(0x00)
                index := shr(1, index)
            }
        }
        if (!ok) revert Sha256Failed();
        return node;
    }

    /// @notice Root of `node` at `index` among `2 ** depth` entries of which all others are empty.
    function foldEmpty(bytes32 node, uint256 index, uint256 depth) internal view returns (bytes32) {
        bytes32 empty = 0;
        for (uint256 level = 0; level < depth; ++level) {
            node = (index >> level) & 1 == 0 ? ofPair(node, empty) : ofPair(empty, node);
            empty = ofPair(empty, empty);
        }
        return node;
    }

    /// @notice Z(depth): the root of a tensor tree whose bytes are all zero.
    function zeroRoot(uint256 depth) internal view returns (bytes32 node) {
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := mload(0x40)
            calldatacopy(pointer, calldatasize(), 256)
        }
        node = ofMemory(pointer, 256);
        for (uint256 level = 0; level < depth; ++level) {
            node = ofPair(node, node);
        }
    }

    /// @notice Depth of a tree over `leaves` > 0 leaves: the least d with 2 ** d >= leaves.
    function depthOf(uint256 leaves) internal pure returns (uint256 depth) {
        // leaves <= 2^40, so the shift stays far inside the word.
        unchecked {
            while ((uint256(1) << depth) < leaves) ++depth;
        }
    }
}
