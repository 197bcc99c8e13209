// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title Signs requests for the deployed market.
abstract contract RequestSigner is GameFixture {
    function signed(uint256 key, ITaskMarket.TaskRequest memory r) internal view returns (bytes memory) {
        (uint8 v, bytes32 a, bytes32 s) = vm.sign(key, digestOf(r));
        return abi.encodePacked(a, s, v);
    }

    /// @dev Written out from the standard, not by the library under test.
    function digestOf(ITaskMarket.TaskRequest memory r) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("InferNet"),
                keccak256("1"),
                block.chainid,
                address(market)
            )
        );
        bytes32 content = keccak256(
            abi.encode(
                keccak256(
                    "TaskRequest(bytes32 programRoot,bytes32 inputRoot,uint32 iterations,uint96 fee,uint40 deadline,uint64 nonce,bool carried)"
                ),
                r
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }
}
