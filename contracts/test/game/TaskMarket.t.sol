// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskMarket} from "../../src/TaskMarket.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IStakeManager} from "../../src/interfaces/IStakeManager.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {GameFixture} from "./GameFixture.sol";

contract TaskMarketTest is GameFixture {
    function setUp() public {
        deploy(1000, 4);
    }

    function statusOf(bytes32 taskId) private view returns (uint256) {
        return uint256(market.task(taskId).status);
    }

    function test_task_id_is_the_hash_of_its_content() public {
        bytes memory input = inputOf(7);
        vm.prank(REQUESTER);
        bytes32 taskId = market.requestWithInput(PROGRAM, input, 1, FEE, uint40(START + 1 days), 99);
        bytes32 content = keccak256(
            abi.encode(
                block.chainid,
                address(market),
                REQUESTER,
                uint64(99),
                PROGRAM,
                rootOfInput(input),
                uint32(1),
                FEE,
                uint40(START + 1 days)
            )
        );
        vm.assertEq(taskId, content, "task id");
        vm.assertEq(lockedOf(REQUESTER), FEE, "fee");
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.TaskExists.selector, taskId));
        vm.prank(REQUESTER);
        market.requestWithInput(PROGRAM, input, 1, FEE, uint40(START + 1 days), 99);
    }

    function test_assertion_id_and_final_hash_follow_from_the_output() public {
        bytes32 taskId = newTask();
        bytes memory output = trueOutput(taskId);
        bytes32 a = assertOutput(taskId, EXECUTOR, output);
        bytes32 outputRoot = sha256(bytes.concat(output, new bytes(224)));
        vm.assertEq(a, keccak256(abi.encode(taskId, uint32(1), EXECUTOR, outputRoot, false)), "id");
        // slot depth 1, output slot 1: the root is the right child beside the empty entry
        bytes32 memoryRoot = sha256(abi.encode(bytes32(0), outputRoot));
        bytes32 hash = sha256(abi.encodePacked(uint64(1000), uint8(0), memoryRoot, int64(0)));
        vm.assertEq(market.terms(a).finalHash, hash, "final hash");
        vm.assertEq(market.terms(a).initialHash, truthAt(a, 0), "initial hash");
    }

    function test_halted_changes_the_final_hash() public {
        bytes32 taskId = newTask();
        claimTask(taskId, EXECUTOR);
        bytes memory output = trueOutput(taskId);
        vm.prank(EXECUTOR);
        bytes32 a = market.assertResult(taskId, 1, output, true);
        vm.assertTrue(market.terms(a).finalHash != truthAt(a, 1000), "a false flag ends in the true state");
    }

    function test_sent_ether_is_deposited_first() public {
        vm.deal(ANYONE, 3 ether);
        vm.prank(ANYONE);
        market.request{value: 3 ether}(PROGRAM, 0, 1, 2 ether, uint40(START + 1), 0);
        vm.assertEq(lockedOf(ANYONE), 2 ether, "fee");
        vm.assertEq(freeOf(ANYONE), 1 ether, "rest");
    }

    function test_bad_requests_are_refused() public {
        uint40 soon = uint40(START + 1 days);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.UnknownModel.selector, bytes32("x")));
        market.request("x", 0, 1, 0, soon, 0);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.IterationsOutOfRange.selector, 0, 1));
        market.request(PROGRAM, 0, 0, 0, soon, 0);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.IterationsOutOfRange.selector, 2, 1));
        market.request(PROGRAM, 0, 2, 0, soon, 0);
        vm.expectPartialRevert(ITaskMarket.DeadlinePassed.selector);
        market.request(PROGRAM, 0, 1, 0, uint40(START), 0);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.WrongInputLength.selector, 599, 600));
        market.requestWithInput(PROGRAM, new bytes(599), 1, 0, soon, 0);
        vm.expectPartialRevert(IStakeManager.InsufficientFree.selector);
        market.request(PROGRAM, 0, 1, 1, soon, 0);
    }

    function test_guardian_pauses_new_requests_and_nothing_else() public {
        bytes32 lie = assertLie();
        vm.expectPartialRevert(ITaskMarket.NotGuardian.selector);
        market.setPaused(true);
        vm.prank(GUARDIAN);
        market.setPaused(true);
        vm.expectPartialRevert(ITaskMarket.RequestsPaused.selector);
        market.request(PROGRAM, 0, 1, 0, uint40(START + 1), 0);
        bytes32 g = startGame(lie, honest(CHALLENGER));
        playOut(lie, g, liar(EXECUTOR, 500), honest(CHALLENGER));
        vm.assertTrue(game.isVoided(lie), "a pause stopped a dispute");
        vm.prank(GUARDIAN);
        market.setPaused(false);
        newTask();
    }

    function test_stake_below_the_floor_is_refused() public {
        bytes32 taskId = newTask();
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.StakeBelowFloor.selector, STAKE - 1, STAKE));
        vm.prank(EXECUTOR);
        market.claim(taskId, STAKE - 1);
    }

    function test_double_claim_is_refused() public {
        bytes32 taskId = newTask();
        claimTask(taskId, EXECUTOR);
        vm.expectPartialRevert(ITaskMarket.WrongTaskStatus.selector);
        vm.prank(CHALLENGER);
        market.claim(taskId, STAKE);
    }

    function test_claim_without_result_costs_the_penalty_and_reopens() public {
        bytes32 taskId = newTask();
        claimTask(taskId, EXECUTOR);
        skip(1 hours);
        vm.expectPartialRevert(ITaskMarket.DeadlineNotPassed.selector);
        market.expireClaim(taskId);
        skip(1);
        market.expireClaim(taskId);
        vm.assertEq(vault.burned(), STAKE / 10, "penalty");
        vm.assertEq(freeOf(EXECUTOR), 1000 ether - STAKE / 10, "rest");
        vm.assertEq(claimTask(taskId, CHALLENGER), 2, "attempt");
    }

    function test_claim_replaces_an_expired_claim() public {
        bytes32 taskId = newTask();
        claimTask(taskId, EXECUTOR);
        skip(1 hours + 1);
        claimTask(taskId, CHALLENGER);
        vm.assertEq(lockedOf(EXECUTOR), 0, "old claim");
        vm.assertEq(lockedOf(CHALLENGER), STAKE, "new claim");
    }

    function test_result_after_its_deadline_is_refused() public {
        bytes32 taskId = newTask();
        claimTask(taskId, EXECUTOR);
        skip(1 hours + 1);
        bytes memory output = trueOutput(taskId);
        vm.expectPartialRevert(ITaskMarket.DeadlinePassed.selector);
        vm.prank(EXECUTOR);
        market.assertResult(taskId, 1, output, false);
    }

    function test_bad_results_are_refused() public {
        bytes32 taskId = newTask();
        bytes memory output = trueOutput(taskId);
        vm.expectPartialRevert(ITaskMarket.WrongTaskStatus.selector);
        vm.prank(EXECUTOR);
        market.assertResult(taskId, 1, output, false);
        claimTask(taskId, EXECUTOR);
        vm.expectPartialRevert(ITaskMarket.NotClaimant.selector);
        vm.prank(CHALLENGER);
        market.assertResult(taskId, 1, output, false);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.WrongAttempt.selector, 2, 1));
        vm.prank(EXECUTOR);
        market.assertResult(taskId, 2, output, false);
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.WrongOutputLength.selector, 31, 32));
        vm.prank(EXECUTOR);
        market.assertResult(taskId, 1, new bytes(31), false);
    }

    function test_unchallenged_result_becomes_final_after_its_window() public {
        bytes32 a = assertTruth();
        skip(6 hours);
        vm.expectPartialRevert(ITaskMarket.DeadlineNotPassed.selector);
        market.finalise(a);
        skip(1);
        market.finalise(a);
        vm.assertEq(freeOf(EXECUTOR), 1001 ether, "executor");
        vm.assertEq(freeOf(REQUESTER), 999 ether, "requester");
        vm.assertEq(lockedOf(EXECUTOR) + lockedOf(REQUESTER), 0, "locks");
        vm.expectPartialRevert(ITaskMarket.WrongAssertionStatus.selector);
        market.finalise(a);
    }

    function test_fee_returns_when_nobody_completes_in_time() public {
        bytes32 taskId = newTask();
        skip(30 days);
        vm.expectPartialRevert(ITaskMarket.DeadlineNotPassed.selector);
        market.reclaimFee(taskId);
        skip(1);
        vm.expectPartialRevert(ITaskMarket.DeadlinePassed.selector);
        vm.prank(EXECUTOR);
        market.claim(taskId, STAKE);
        market.reclaimFee(taskId);
        vm.assertEq(freeOf(REQUESTER), 1000 ether, "fee");
        vm.expectPartialRevert(ITaskMarket.WrongTaskStatus.selector);
        market.reclaimFee(taskId);
    }

    function test_slashed_task_is_open_again_with_its_fee() public {
        bytes32 a = assertLie();
        bytes32 taskId = market.assertion(a).taskId;
        vm.expectRevert(abi.encodeWithSelector(ITaskMarket.NotVoided.selector, a));
        market.slash(a);
        bytes32 g = startGame(a, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 3), honest(CHALLENGER));
        vm.expectPartialRevert(ITaskMarket.DisputeNotClear.selector);
        this.finaliseAfterWindow(a);
        market.slash(a);
        vm.assertEq(statusOf(taskId), uint256(ITaskMarket.TaskStatus.Open), "status");
        vm.assertEq(lockedOf(REQUESTER), FEE, "fee");
        vm.expectPartialRevert(ITaskMarket.WrongAssertionStatus.selector);
        market.slash(a);
        bytes32 again = assertOutput(taskId, CHALLENGER, trueOutput(taskId));
        skip(6 hours + 1);
        market.finalise(again);
        vm.assertEq(statusOf(taskId), uint256(ITaskMarket.TaskStatus.Final), "final");
    }

    function finaliseAfterWindow(bytes32 a) external {
        skip(6 hours + 1);
        market.finalise(a);
    }

    function test_reveal_pays_the_poster_and_restarts_the_window() public {
        (bytes32 taskId, bytes memory input) = newBareTask();
        bytes32 a = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        skip(6 hours);
        vm.prank(CHALLENGER);
        market.demandReveal(a);
        skip(2 hours);
        vm.expectPartialRevert(ITaskMarket.WrongDemandStatus.selector);
        market.finalise(a);
        vm.prank(EXECUTOR, EXECUTOR);
        market.reveal(a, input);
        uint256 paid = revealGas(input) * BASE_FEE;
        vm.assertEq(freeOf(EXECUTOR), 1000 ether - STAKE + paid, "poster");
        vm.assertEq(freeOf(CHALLENGER), 1000 ether - paid, "demander");
        vm.assertEq(market.assertion(a).windowEnd, this.nowSeconds() + 6 hours, "window");
        vm.expectPartialRevert(ITaskMarket.InputAlreadyAvailable.selector);
        vm.prank(CHALLENGER);
        market.demandReveal(a);
        skip(6 hours + 1);
        market.finalise(a);
    }

    function test_a_reveal_is_paid_at_most_the_bond() public {
        (bytes32 taskId, bytes memory input) = newBareTask();
        bytes32 a = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        uint256 bond = market.revealBondFor(a);
        bytes memory dearest = new bytes(600);
        for (uint256 i = 0; i < 600; ++i) dearest[i] = 0xff;
        vm.assertEq(bond, revealGas(dearest) * 100 gwei, "bond");
        vm.prank(CHALLENGER);
        market.demandReveal(a);
        vm.assertEq(lockedOf(CHALLENGER), bond, "locked");
        vm.fee(1000 gwei);
        vm.prank(EXECUTOR, EXECUTOR);
        market.reveal(a, input);
        vm.assertEq(freeOf(EXECUTOR), 1000 ether - STAKE + bond, "poster");
        vm.assertEq(freeOf(CHALLENGER) + bond, 1000 ether, "demander");
        vm.assertEq(lockedOf(CHALLENGER), 0, "still locked");
    }

    function test_claims_and_windows_have_the_time_of_a_run() public {
        registerSteps(5_000_000_000);
        (bytes32 taskId, bytes memory input) = newBareTask();
        uint32 attempt = claimTask(taskId, EXECUTOR);
        vm.assertEq(market.task(taskId).claimDeadline, this.nowSeconds() + 1 hours + 100, "claim");
        bytes memory output = trueOutput(taskId);
        vm.prank(EXECUTOR);
        bytes32 a = market.assertResult(taskId, attempt, output, false);
        vm.assertEq(market.assertion(a).windowEnd, this.nowSeconds() + 6 hours + 100, "window");
        vm.prank(CHALLENGER);
        market.demandReveal(a);
        skip(60);
        market.reveal(a, input);
        vm.assertEq(market.assertion(a).windowEnd, this.nowSeconds() + 6 hours + 100, "window again");
    }

    function test_a_run_that_no_clock_can_count_is_refused() public {
        registerSteps(1 << 62);
        bytes memory input = inputOf(0);
        vm.expectPartialRevert(ITaskMarket.RunTooLong.selector);
        vm.prank(REQUESTER);
        market.requestWithInput(PROGRAM, input, 1, FEE, taskDeadline(), 0);
    }

    function test_reveal_of_other_bytes_is_refused() public {
        (bytes32 taskId, bytes memory input) = newBareTask();
        bytes32 a = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        vm.expectPartialRevert(ITaskMarket.WrongDemandStatus.selector);
        market.reveal(a, input);
        vm.prank(CHALLENGER);
        market.demandReveal(a);
        vm.expectPartialRevert(ITaskMarket.WrongDemandStatus.selector);
        market.demandReveal(a);
        vm.expectPartialRevert(ITaskMarket.WrongInputLength.selector);
        market.reveal(a, new bytes(601));
        input[0] ^= 0x01;
        vm.expectPartialRevert(ITaskMarket.WrongInputRoot.selector);
        market.reveal(a, input);
        input[0] ^= 0x01;
        skip(2 hours + 1);
        vm.expectPartialRevert(ITaskMarket.DeadlinePassed.selector);
        market.reveal(a, input);
    }

    function test_missing_input_costs_the_stake_and_frees_every_game() public {
        (bytes32 taskId,) = newBareTask();
        bytes32 a = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        bytes32 g = startGame(a, liar(CHALLENGER, 10));
        vm.prank(CHALLENGER);
        market.demandReveal(a);
        skip(2 hours);
        vm.expectPartialRevert(ITaskMarket.DeadlineNotPassed.selector);
        market.timeoutReveal(a);
        skip(1);
        market.timeoutReveal(a);
        game.settle(g);
        vm.assertEq(vault.burned(), STAKE - STAKE / 4, "burned");
        vm.assertEq(freeOf(CHALLENGER), 1000 ether + STAKE / 4, "demander");
        vm.assertEq(lockedOf(EXECUTOR) + lockedOf(CHALLENGER), 0, "locks");
        vm.expectPartialRevert(IDisputeGame.NoReward.selector);
        game.claimReward(a);
        vm.expectPartialRevert(IDisputeGame.AssertionVoid.selector);
        game.timeout(g);
    }

    function test_demand_is_returned_when_a_game_decides_first() public {
        (bytes32 taskId,) = newBareTask();
        bytes32 a = assertOutput(taskId, EXECUTOR, new bytes(32));
        fund(ANYONE);
        bytes32 g = startGame(a, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 10), honest(CHALLENGER));
        vm.prank(ANYONE);
        market.demandReveal(a);
        skip(2 hours + 1);
        vm.expectPartialRevert(ITaskMarket.Voided.selector);
        market.timeoutReveal(a);
        market.slash(a);
        vm.assertEq(freeOf(ANYONE), 1000 ether, "demander");
    }

    function test_demand_needs_a_window_and_a_missing_input() public {
        bytes32 carried = assertTruth();
        vm.expectPartialRevert(ITaskMarket.InputAlreadyAvailable.selector);
        market.demandReveal(carried);
        (bytes32 taskId,) = newBareTask();
        bytes32 a = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        skip(6 hours + 1);
        vm.expectPartialRevert(ITaskMarket.DeadlinePassed.selector);
        market.demandReveal(a);
    }

    function test_constants_that_make_no_market_are_refused() public {
        ITaskMarket.Constants memory c = marketConstants();
        c.claimPenaltyBps = 10_001;
        vm.expectPartialRevert(ITaskMarket.InvalidConstant.selector);
        new TaskMarket(vault, registry, GUARDIAN, c);
        c = marketConstants();
        c.windowSeconds = 0;
        vm.expectPartialRevert(ITaskMarket.InvalidConstant.selector);
        new TaskMarket(vault, registry, GUARDIAN, c);
        vm.expectPartialRevert(ITaskMarket.AlreadyInitialised.selector);
        market.initialise(game);
    }

    function testFuzz_input_root_equals_its_definition(uint256 seed) public {
        bytes memory input = inputOf(seed);
        vm.prank(REQUESTER);
        bytes32 taskId = market.requestWithInput(PROGRAM, input, 1, 0, uint40(START + 1), 5);
        vm.assertEq(market.task(taskId).inputRoot, rootOfInput(input), "root");
    }
}
