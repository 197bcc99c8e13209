// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What it takes to carry an input into a transaction, in gas (docs/spec/dispute.md, "Availability").
/// @dev EIP-7623: a transaction pays for its calldata and its execution, or the floor of its calldata, whichever is more.
/// All figures are at most what a reveal takes: whoever is paid by them earns nothing by being asked.
library CarriageLib {
    uint256 private constant TRANSACTION = 21_000;
    uint256 private constant FLOOR_OF_ZERO = 10;
    uint256 private constant FLOOR_OF_OTHER = 40;
    uint256 private constant PRICE_OF_ZERO = 4;
    uint256 private constant PRICE_OF_OTHER = 16;
    /// @dev Storage and accounts; and for each byte its hash, its count here and its place in a log.
    uint256 private constant EXECUTION = 60_000;
    uint256 private constant EXECUTION_EACH = 16;
    uint256 private constant LEAST_EXECUTION_EACH = 12;

    /// @notice Whether this call is its whole transaction, so that the transaction paid for carrying what it is given.
    /// @dev A contract may have made the bytes, or carried them once for many calls. So may an account with code
    /// (EIP-7702), though it is the origin.
    function isWholeTransaction() internal view returns (bool) {
        return msg.sender == tx.origin && msg.sender.code.length == 0;
    }

    /// @notice Gas of a reveal by a contract: what is done with each byte, however it came.
    function leastGasOf(uint256 length) internal pure returns (uint256) {
        return LEAST_EXECUTION_EACH * length;
    }

    /// @notice Gas of a reveal of these bytes that is a whole transaction.
    function gasOf(bytes calldata input) internal pure returns (uint256) {
        uint256 zeros = zerosIn(input);
        return _gasOf(zeros, input.length - zeros);
    }

    /// @notice The most that `gasOf` says of `length` bytes.
    function mostGasOf(uint256 length) internal pure returns (uint256) {
        return _gasOf(0, length);
    }

    function _gasOf(uint256 zeros, uint256 others) private pure returns (uint256) {
        uint256 floor = FLOOR_OF_ZERO * zeros + FLOOR_OF_OTHER * others;
        uint256 standard = PRICE_OF_ZERO * zeros + PRICE_OF_OTHER * others;
        standard += EXECUTION + EXECUTION_EACH * (zeros + others);
        return TRANSACTION + (floor > standard ? floor : standard);
    }

    /// @dev Each byte's highest bit becomes whether the byte is zero; a product adds the bits up.
    function zerosIn(bytes calldata input) internal pure returns (uint256 zeros) {
        assembly ("memory-safe") {
            let low := 0x7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f7f
            let ones := 0x0101010101010101010101010101010101010101010101010101010101010101
            let end := add(input.offset, input.length)
            for { let at := input.offset } lt(at, end) { at := add(at, 32) } {
                let word := calldataload(at)
                // What lies behind the end is counted as other bytes.
                let left := sub(end, at)
                if lt(left, 32) { word := or(word, shr(mul(8, left), not(0))) }
                let marks := not(or(or(add(and(word, low), low), word), low))
                zeros := add(zeros, shr(248, mul(shr(7, marks), ones)))
            }
        }
    }
}
