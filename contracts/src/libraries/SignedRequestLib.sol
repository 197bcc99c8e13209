// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskMarket} from "../interfaces/ITaskMarket.sol";

/// @title What a requester signs instead of sending it: EIP-712 typed data (docs/spec/dispute.md, "Signed requests").
library SignedRequestLib {
    bytes32 private constant _DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant _REQUEST_TYPEHASH = keccak256(
        "TaskRequest(bytes32 programRoot,bytes32 inputRoot,uint32 iterations,uint96 fee,uint40 deadline,uint64 nonce,bool carried)"
    );
    bytes32 private constant _NAME_HASH = keccak256("InferNet");
    bytes32 private constant _VERSION_HASH = keccak256("1");
    /// @dev Half the order of secp256k1, rounded down: of each pair of signatures one is above.
    uint256 private constant _HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice The digest that a requester signs, for this chain and this market alone.
    function digest(ITaskMarket.TaskRequest calldata r) internal view returns (bytes32) {
        // Not kept from the deployment: a chain that splits gets another id.
        bytes32 domain = keccak256(
            abi.encode(_DOMAIN_TYPEHASH, _NAME_HASH, _VERSION_HASH, block.chainid, address(this))
        );
        bytes32 content = keccak256(
            abi.encode(
                _REQUEST_TYPEHASH,
                r.programRoot,
                r.inputRoot,
                r.iterations,
                r.fee,
                r.deadline,
                r.nonce,
                r.carried
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, content));
    }

    /// @notice Who signed a request; reverts with InvalidSignature where nobody can have.
    function signerOf(ITaskMarket.TaskRequest calldata r, bytes calldata signature)
        internal
        view
        returns (address signer)
    {
        if (signature.length != 65) revert ITaskMarket.InvalidSignature();
        bytes32 s = bytes32(signature[32:64]);
        // The other signature of the pair is valid too; only one form is taken.
        if (uint256(s) > _HALF_ORDER) revert ITaskMarket.InvalidSignature();
        signer = ecrecover(digest(r), uint8(signature[64]), bytes32(signature[:32]), s);
        if (signer == address(0)) revert ITaskMarket.InvalidSignature();
    }
}
