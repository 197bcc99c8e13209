// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeManager} from "../../src/interfaces/IStakeManager.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {RequestSigner} from "./RequestSigner.sol";

contract SignedRequestsTest is RequestSigner {
    uint256 private constant KEY = uint256(keccak256("requester"));
    uint256 private constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    address private signer;

    function setUp() public {
        deploy(1000, 4);
        signer = vm.addr(KEY);
        vm.deal(signer, 2 ether);
        vm.prank(signer);
        vault.deposit{value: 2 ether}();
    }

    function test_a_relayed_request_is_the_signer_s_and_paid_from_its_balance() public {
        (ITaskMarket.TaskRequest memory r, bytes memory input) = wanted();
        bytes memory signature = signed(KEY, r);
        uint256 gasMoney = ANYONE.balance;
        vm.prank(ANYONE);
        bytes32 taskId = market.requestSigned(signer, r, input, signature);
        vm.assertEq(market.task(taskId).requester, signer, "requester");
        vm.assertTrue(market.task(taskId).inputAvailable, "carried");
        vm.assertEq(lockedOf(signer), FEE, "fee");
        vm.assertEq(freeOf(signer), 2 ether - FEE, "rest");
        vm.assertEq(freeOf(ANYONE) + lockedOf(ANYONE), 0, "relayer");
        vm.assertEq(ANYONE.balance, gasMoney, "relayer's ether");
    }

    function test_it_is_the_task_that_the_signer_would_have_requested() public {
        (ITaskMarket.TaskRequest memory r, bytes memory input) = wanted();
        bytes32 taskId = market.requestSigned(signer, r, input, signed(KEY, r));
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.TaskExists.selector, taskId));
        vm.prank(signer);
        market.requestWithInput(r.programRoot, input, r.iterations, r.fee, r.deadline, r.nonce);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.TaskExists.selector, taskId));
        market.requestSigned(signer, r, input, signed(KEY, r));
    }

    function test_an_input_may_be_named_by_its_root_alone() public {
        (ITaskMarket.TaskRequest memory r, bytes memory input) = wanted();
        r.carried = false;
        bytes memory signature = signed(KEY, r);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.WrongInputLength.selector, 600, 0));
        market.requestSigned(signer, r, input, signature);
        bytes32 taskId = market.requestSigned(signer, r, "", signature);
        vm.assertFalse(market.task(taskId).inputAvailable, "not carried");
    }

    function test_an_input_that_was_signed_for_cannot_be_left_out_or_changed() public {
        (ITaskMarket.TaskRequest memory r, bytes memory input) = wanted();
        bytes memory signature = signed(KEY, r);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.WrongInputLength.selector, 0, 600));
        market.requestSigned(signer, r, "", signature);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.WrongInputLength.selector, 1, 600));
        market.requestSigned(signer, r, hex"00", signature);
        input[0] ^= 0x01;
        vm.expectPartialRevert(ITaskMarket.WrongInputRoot.selector);
        market.requestSigned(signer, r, input, signature);
        // Nor can it be said to be asked for without.
        r.carried = false;
        vm.expectPartialRevert(ITaskMarket.WrongSigner.selector);
        market.requestSigned(signer, r, "", signature);
    }

    function test_every_term_is_bound_by_the_signature(uint8 which) public {
        (ITaskMarket.TaskRequest memory r,) = wanted();
        bytes memory signature = signed(KEY, r);
        which = uint8(bound(which, 0, 6));
        if (which == 0) r.programRoot ^= bytes32(uint256(1));
        if (which == 1) r.inputRoot ^= bytes32(uint256(1));
        if (which == 2) r.iterations += 1;
        if (which == 3) r.fee += 1;
        if (which == 4) r.deadline += 1;
        if (which == 5) r.nonce += 1;
        if (which == 6) r.carried = false;
        vm.expectPartialRevert(ITaskMarket.WrongSigner.selector);
        market.requestSigned(signer, r, "", signature);
    }

    function test_a_signature_holds_on_one_chain_and_for_one_market() public {
        (ITaskMarket.TaskRequest memory r,) = wanted();
        bytes memory signature = signed(KEY, r);
        vm.chainId(block.chainid + 1);
        vm.expectPartialRevert(ITaskMarket.WrongSigner.selector);
        market.requestSigned(signer, r, "", signature);
    }

    function test_somebody_else_s_signature_is_refused() public {
        (ITaskMarket.TaskRequest memory r,) = wanted();
        bytes memory signature = signed(KEY + 1, r);
        vm.expectRevert(
            abi.encodeWithSelector(ITaskMarket.WrongSigner.selector, vm.addr(KEY + 1), signer)
        );
        market.requestSigned(signer, r, "", signature);
    }

    function test_the_second_form_of_a_signature_is_refused() public {
        (ITaskMarket.TaskRequest memory r,) = wanted();
        (uint8 v, bytes32 a, bytes32 s) = vm.sign(KEY, digestOf(r));
        bytes memory twin = abi.encodePacked(a, bytes32(ORDER - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        vm.assertEq(ecrecover(digestOf(r), uint8(twin[64]), a, bytes32(ORDER - uint256(s))), signer, "valid");
        vm.expectRevert(ITaskMarket.InvalidSignature.selector);
        market.requestSigned(signer, r, "", twin);
    }

    function test_what_is_no_signature_is_refused(bytes calldata noise) public {
        vm.assume(noise.length != 65);
        (ITaskMarket.TaskRequest memory r,) = wanted();
        vm.expectRevert(ITaskMarket.InvalidSignature.selector);
        market.requestSigned(signer, r, "", noise);
        vm.expectRevert(ITaskMarket.InvalidSignature.selector);
        market.requestSigned(address(0), r, "", new bytes(65));
    }

    function test_no_fee_beyond_the_free_balance_is_taken() public {
        (ITaskMarket.TaskRequest memory r,) = wanted();
        r.fee = 2 ether + 1;
        r.carried = false;
        bytes memory signature = signed(KEY, r);
        vm.expectPartialRevert(IStakeManager.InsufficientFree.selector);
        market.requestSigned(signer, r, "", signature);
    }

    function test_a_request_that_came_too_late_is_refused() public {
        (ITaskMarket.TaskRequest memory r,) = wanted();
        r.carried = false;
        bytes memory signature = signed(KEY, r);
        vm.warp(r.deadline);
        vm.expectPartialRevert(ITaskMarket.DeadlinePassed.selector);
        market.requestSigned(signer, r, "", signature);
    }

    function wanted() private pure returns (ITaskMarket.TaskRequest memory r, bytes memory input) {
        input = inputOf(7);
        r = ITaskMarket.TaskRequest(PROGRAM, rootOfInput(input), 1, FEE, uint40(START + 1 days), 99, true);
    }
}
