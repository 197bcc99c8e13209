// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskMarket} from "../../src/TaskMarket.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {GasMeter} from "../game/GameGas.t.sol";

/// @title A caller that makes the bytes itself: nothing of them is calldata of the transaction.
contract Maker {
    function reveal(TaskMarket market, bytes32 assertionId, uint256 length, bytes1 each) external {
        bytes memory input = new bytes(length);
        uint256 word = uint256(uint8(each)) * (type(uint256).max / 255);
        assembly ("memory-safe") {
            let data := add(input, 32)
            let padded := and(add(length, 31), not(31))
            mstore(data, word)
            for { let done := 32 } lt(done, padded) { done := mul(done, 2) } {
                let more := done
                if gt(add(done, more), padded) { more := sub(padded, done) }
                mcopy(add(data, done), data, more)
            }
        }
        market.reveal(assertionId, input);
    }
}

/// @title A caller that carries the bytes once and reveals them for several results.
contract Bundler {
    function reveal(TaskMarket market, bytes32[] calldata assertionIds, bytes calldata input) external {
        for (uint256 i = 0; i < assertionIds.length; ++i) market.reveal(assertionIds[i], input);
    }
}

/// @title Nobody is paid more for a reveal than the reveal takes, however its bytes come.
contract RevealsTest is GasMeter {
    uint256 private constant PICTURE_BYTES = 150_528;
    address private constant SMART = address(0x7702);

    uint64 private _nonce = 1000;

    function setUp() public {
        deploy(1000, 28);
    }

    function setInputBytes(uint256 length) private {
        bytes32[] memory siblings = new bytes32[](1);
        registry.register(
            PROGRAM, IModelRegistry.ModelInfo(true, STAKE, 1, 1000, uint64(length), 32, 1, 0, 1, siblings)
        );
    }

    function demanded(bytes memory input) private returns (bytes32 assertionId) {
        vm.prank(ANYONE);
        bytes32 carried = market.requestWithInput(PROGRAM, input, 1, 0, taskDeadline(), _nonce++);
        bytes32 root = market.task(carried).inputRoot;
        vm.prank(REQUESTER);
        bytes32 taskId = market.request(PROGRAM, root, 1, 0, taskDeadline(), _nonce++);
        assertionId = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        vm.prank(CHALLENGER);
        market.demandReveal(assertionId);
    }

    function filled(uint256 length, bytes1 each) private pure returns (bytes memory input) {
        input = new bytes(length);
        for (uint256 i = 0; i < length; ++i) input[i] = each;
    }

    function test_bytes_that_a_contract_makes_are_not_paid_as_carried() public {
        Maker maker = new Maker();
        uint256[4] memory lengths = [uint256(1), 640, PICTURE_BYTES, 262_144];
        for (uint256 i = 0; i < lengths.length; ++i) {
            setInputBytes(lengths[i]);
            bytes32 id = demanded(filled(lengths[i], 0x01));
            uint256 before = freeOf(address(maker));
            bytes memory data = abi.encodeCall(Maker.reveal, (market, id, lengths[i], bytes1(0x01)));
            uint256 spent = transact(EXECUTOR, address(maker), data);
            vm.assertLe((freeOf(address(maker)) - before) / BASE_FEE, spent, "made bytes earn");
        }
    }

    function test_bytes_that_are_carried_once_are_not_paid_often() public {
        Bundler bundler = new Bundler();
        setInputBytes(PICTURE_BYTES);
        bytes memory input = filled(PICTURE_BYTES, 0xff);
        bytes32[] memory ids = new bytes32[](3);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = demanded(input);
        uint256 spent = transact(EXECUTOR, address(bundler), abi.encodeCall(Bundler.reveal, (market, ids, input)));
        vm.assertLe(freeOf(address(bundler)) / BASE_FEE, spent, "bundled bytes earn");
        vm.assertEq(lockedOf(CHALLENGER), 0, "locked");
    }

    function test_an_account_with_code_is_paid_as_a_contract_is() public {
        setInputBytes(640);
        bytes memory input = filled(640, 0xff);
        bytes32 id = demanded(input);
        // A delegation of EIP-7702, as such an account's code shows it.
        vm.etch(SMART, abi.encodePacked(hex"ef0100", ANYONE));
        vm.prank(SMART, SMART);
        market.reveal(id, input);
        vm.assertEq(freeOf(SMART), 12 * 640 * BASE_FEE, "paid");
    }

    function test_a_whole_transaction_is_paid_nearly_what_it_takes() public {
        uint256[6] memory lengths = [uint256(1), 32, 257, 4096, PICTURE_BYTES, 262_144];
        for (uint256 i = 0; i < 2 * lengths.length; ++i) {
            uint256 length = lengths[i / 2];
            setInputBytes(length);
            bytes memory input = filled(length, i % 2 == 0 ? bytes1(0) : bytes1(0xff));
            bytes32 id = demanded(input);
            uint256 before = freeOf(EXECUTOR);
            uint256 spent = transact(EXECUTOR, address(market), abi.encodeCall(market.reveal, (id, input)));
            uint256 paid = (freeOf(EXECUTOR) - before) / BASE_FEE;
            vm.assertLe(paid, spent, "a reveal earns more than it takes");
            vm.assertGe(paid, (spent * 95) / 100, "a reveal is not paid");
        }
    }
}
