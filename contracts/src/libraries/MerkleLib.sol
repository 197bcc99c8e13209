// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title SHA-256 trees of docs/spec/program.md.
library MerkleLib {
    error Sha256Failed();

    /// @notice Root of the tensor tree over a byte string: 256-byte leaves, zero-padded, under a tree padded with Z(d).
    function rootOfBytes(bytes calldata data) internal view returns (bytes32 root) {
        uint256 leaves = (data.length + 255) / 256;
        if (leaves == 0) leaves = 1;
        bool ok = true;
        assembly ("memory-safe") {
            let base := mload(0x40)
            let full := shr(8, data.length)
            // One leaf buffer sits past the node area; what lies beyond the data reads as zero only when cleared.
            let buffer := add(base, shl(5, add(leaves, 1)))
            for { let i := 0 } lt(i, leaves) { i := add(i, 1) } {
                switch lt(i, full)
                case 1 { calldatacopy(buffer, add(data.offset, shl(8, i)), 256) }
                default {
                    calldatacopy(buffer, calldatasize(), 256)
                    calldatacopy(buffer, add(data.offset, shl(8, i)), and(data.length, 255))
                }
                ok := and(ok, staticcall(gas(), 2, buffer, 256, add(base, shl(5, i)), 32))
                ok := and(ok, eq(returndatasize(), 32))
            }
            calldatacopy(buffer, calldatasize(), 256)
            ok := and(ok, staticcall(gas(), 2, buffer, 256, buffer, 32))
            ok := and(ok, eq(returndatasize(), 32))
            let empty := mload(buffer)
            for {} gt(leaves, 1) {} {
                if and(leaves, 1) {
                    mstore(add(base, shl(5, leaves)), empty)
                    leaves := add(leaves, 1)
                }
                let width := shl(5, leaves)
                for { let at := 0 } lt(at, width) { at := add(at, 64) } {
                    ok := and(ok, staticcall(gas(), 2, add(base, at), 64, add(base, shr(1, at)), 32))
                    ok := and(ok, eq(returndatasize(), 32))
                }
                mstore(0x00, empty)
                mstore(0x20, empty)
                ok := and(ok, staticcall(gas(), 2, 0x00, 64, 0x00, 32))
                ok := and(ok, eq(returndatasize(), 32))
                empty := mload(0x00)
                leaves := shr(1, leaves)
            }
            root := mload(base)
        }
        if (!ok) revert Sha256Failed();
    }
}
