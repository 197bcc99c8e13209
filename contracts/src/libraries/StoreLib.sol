// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {WitnessReader} from "./WitnessReader.sol";

/// @title Storing one element of a byte-wide tensor.
library StoreLib {
    using WitnessReader for WitnessReader.Reader;

    /// @notice Store the low byte of `value` as element `element`.
    function storeByte(
        WitnessReader.Reader memory r,
        WitnessReader.Tensor memory t,
        uint256 element,
        int256 value
    ) internal view {
        uint256 pointer;
        assembly ("memory-safe") {
            pointer := mload(0x40)
            mstore(0x40, add(pointer, 32))
            mstore8(pointer, value)
        }
        r.store(t, element, pointer, 1);
    }
}
