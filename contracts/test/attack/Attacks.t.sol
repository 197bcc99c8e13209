// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {GameFixture} from "../game/GameFixture.sol";

/// @title Attempts to earn by a lie, to be paid twice, to hold up the truth or to live off watchers.
contract AttacksTest is GameFixture {
    address private constant SYBIL = address(0x5000);

    function setUp() public {
        deploy(1000, 8);
        fund(SYBIL);
    }

    function hide(bytes memory output) private returns (bytes32 assertionId, bytes memory input) {
        bytes32 taskId;
        (taskId, input) = newBareTask();
        assertionId = assertOutput(taskId, EXECUTOR, output.length == 0 ? trueOutput(taskId) : output);
    }

    function test_hiding_inputs_is_no_living() public {
        uint256 before = freeOf(EXECUTOR);
        for (uint256 i = 0; i < 10; ++i) {
            (bytes32 id, bytes memory input) = hide("");
            vm.prank(CHALLENGER);
            market.demandReveal(id);
            vm.prank(EXECUTOR, EXECUTOR);
            market.reveal(id, input);
            skip(6 hours + 1);
            market.finalise(id);
        }
        // Each round takes its player a claim, a result, a reveal and a finalisation: more gas than it is paid.
        uint256 earned = freeOf(EXECUTOR) - before - 10 * FEE;
        vm.assertLe(earned / 10, 110_000 * BASE_FEE, "a reveal earns more than it costs");
        vm.assertEq(freeOf(CHALLENGER), 1000 ether - earned, "a watcher pays for bytes alone");
        vm.assertEq(lockedOf(CHALLENGER), 0, "a bond stayed locked");
    }

    /// @dev A true result on the largest input there is, demanded by the challenger.
    function demandLargest(bytes memory input) private returns (bytes32 assertionId) {
        bytes32[] memory siblings = new bytes32[](1);
        registry.register(
            PROGRAM, IModelRegistry.ModelInfo(true, STAKE, 1, 1000, uint64(input.length), 32, 1, 0, 1, siblings)
        );
        vm.prank(SYBIL);
        bytes32 root = market.task(market.requestWithInput(PROGRAM, input, 1, 0, taskDeadline(), 0)).inputRoot;
        vm.prank(REQUESTER);
        bytes32 taskId = market.request(PROGRAM, root, 1, FEE, taskDeadline(), 0);
        assertionId = assertOutput(taskId, EXECUTOR, trueOutput(taskId));
        vm.prank(CHALLENGER);
        market.demandReveal(assertionId);
    }

    function test_a_reveal_of_the_largest_input_is_paid_the_whole_bond_when_gas_is_dear() public {
        vm.fee(100 gwei);
        bytes memory input = new bytes(262_144);
        for (uint256 at = 0; at < 262_144; at += 32) {
            assembly ("memory-safe") {
                mstore(add(add(input, 32), at), not(0))
            }
        }
        bytes32 id = demandLargest(input);
        vm.prank(EXECUTOR, EXECUTOR);
        market.reveal(id, input);
        vm.assertEq(freeOf(EXECUTOR), 1000 ether - STAKE + market.revealBondFor(id), "poster");
        vm.assertEq(freeOf(CHALLENGER) + market.revealBondFor(id), 1000 ether, "demander");
    }

    /// @dev Bytes that are zero are cheap to carry: paid like others, whoever hides them would live off watchers.
    function test_hiding_zeros_is_no_living_either() public {
        bytes memory input = new bytes(262_144);
        bytes32 id = demandLargest(input);
        uint256 before = freeOf(EXECUTOR);
        uint256 gasBefore = gasleft();
        vm.prank(EXECUTOR, EXECUTOR);
        market.reveal(id, input);
        // What a transaction pays besides: its base and four gas for each byte that is zero.
        uint256 spent = gasBefore - gasleft() + 21_000 + 4 * input.length;
        vm.assertLe((freeOf(EXECUTOR) - before) / BASE_FEE, spent, "a reveal earns more than it costs");
    }

    function test_a_liar_that_demands_its_own_reveal_still_burns_most() public {
        (bytes32 id,) = hide(new bytes(32));
        vm.prank(SYBIL);
        market.demandReveal(id);
        vm.expectPartialRevert(ITaskMarket.WrongDemandStatus.selector);
        vm.prank(CHALLENGER);
        market.demandReveal(id);
        skip(2 hours + 1);
        market.timeoutReveal(id);
        uint256 both = freeOf(EXECUTOR) + freeOf(SYBIL);
        vm.assertEq(both, 2000 ether - (STAKE - STAKE / 4), "playing both sides is free");
        vm.assertEq(vault.burned(), STAKE - STAKE / 4, "burned");
        vm.assertEq(lockedOf(EXECUTOR) + lockedOf(SYBIL), 0, "locked");
    }

    function test_a_lie_is_slashed_once_whichever_proof_comes_first() public {
        (bytes32 id,) = hide(new bytes(32));
        bytes32 gameId = startGame(id, honest(CHALLENGER));
        vm.prank(SYBIL);
        market.demandReveal(id);
        vm.warp(uint256(game.game(gameId).deadline) + 1);
        game.timeout(gameId);
        vm.expectPartialRevert(ITaskMarket.Voided.selector);
        market.timeoutReveal(id);
        skip(1 hours + 1);
        game.claimReward(id);
        vm.expectPartialRevert(ITaskMarket.WrongAssertionStatus.selector);
        market.slash(id);
        vm.expectPartialRevert(IDisputeGame.NoReward.selector);
        game.claimReward(id);
        vm.expectPartialRevert(IDisputeGame.NothingToSettle.selector);
        game.settle(gameId);
        vm.assertEq(freeOf(CHALLENGER), 1000 ether + STAKE / 4, "reward and bond, once");
        vm.assertEq(freeOf(SYBIL), 1000 ether, "the demand's bond returns");
        vm.assertEq(lockedOf(EXECUTOR) + lockedOf(CHALLENGER) + lockedOf(SYBIL), 0, "locked");
    }

    function test_after_a_missing_reveal_no_game_pays_again() public {
        (bytes32 id,) = hide(new bytes(32));
        bytes32 gameId = startGame(id, honest(CHALLENGER));
        bytes32 unopened = commitHash(id, SYBIL, bytes32(uint256(7)), 0);
        vm.prank(SYBIL);
        market.demandReveal(id);
        skip(2 hours + 1);
        market.timeoutReveal(id);
        vm.expectPartialRevert(IDisputeGame.NoReward.selector);
        game.claimReward(id);
        vm.expectPartialRevert(IDisputeGame.AssertionVoid.selector);
        game.timeout(gameId);
        vm.expectPartialRevert(IDisputeGame.AssertionNotVoid.selector);
        game.claimPriority(unopened, bytes32(uint256(7)), 0);
        game.settle(gameId);
        vm.assertEq(freeOf(CHALLENGER), 1000 ether, "the watcher's bond");
        game.forfeit(unopened);
        game.settle(unopened);
        vm.assertEq(lockedOf(EXECUTOR) + lockedOf(SYBIL) + lockedOf(CHALLENGER), 0, "locked");
    }

    function test_a_root_with_dirty_padding_cannot_be_revealed() public {
        bytes memory input = inputOf(1);
        bytes memory dirty = new bytes(601);
        for (uint256 i = 0; i < 600; ++i) dirty[i] = input[i];
        dirty[600] = 0x01;
        bytes32 root = rootOfInput(dirty);
        vm.prank(REQUESTER);
        bytes32 taskId = market.request(PROGRAM, root, 1, FEE, taskDeadline(), 99);
        bytes32 id = assertOutput(taskId, EXECUTOR, new bytes(32));
        vm.prank(CHALLENGER);
        market.demandReveal(id);
        vm.expectPartialRevert(ITaskMarket.WrongInputRoot.selector);
        market.reveal(id, input);
        vm.expectPartialRevert(ITaskMarket.WrongInputLength.selector);
        market.reveal(id, dirty);
    }

    function test_a_true_output_said_to_be_halted_is_defeated() public {
        bytes32 taskId = newTask();
        uint32 attempt = claimTask(taskId, EXECUTOR);
        bytes memory output = trueOutput(taskId);
        vm.prank(EXECUTOR);
        bytes32 id = market.assertResult(taskId, attempt, output, true);
        bytes32 gameId = startGame(id, honest(CHALLENGER));
        playOut(id, gameId, liar(EXECUTOR, 500), honest(CHALLENGER));
        vm.assertTrue(game.isVoided(id), "a halted lie stands");
    }

    function testFuzz_truth_wins_at_every_size_and_arity(uint256 seed) public {
        uint16[5] memory arities = [2, 3, 36, 255, 256];
        uint64 k = arities[seed % 5];
        // The last one is the longest run that a clock counts.
        uint64 longest = (uint64(type(uint24).max) - 3 hours) * 50_000_000;
        uint64[8] memory sizes = [2, k - 1 < 2 ? 2 : k - 1, k, k + 1, k * k, k * k + 1, 1 << 40, longest];
        uint64 steps = sizes[(seed >> 8) % 8];
        deploy(steps, uint16(k));
        bytes32 id = (seed >> 16) & 1 == 0 ? assertLie() : assertTruth();
        uint64 divergence = uint64((seed >> 32) % steps);
        bool lie = (seed >> 16) & 1 == 0;
        Player memory e = lie ? liar(EXECUTOR, divergence) : honest(EXECUTOR);
        Player memory c = lie ? honest(CHALLENGER) : liar(CHALLENGER, divergence);
        playOut(id, startGame(id, c), e, c);
        vm.assertTrue(game.isVoided(id) == lie, "a lie won");
    }

    function test_nobody_holds_up_finality_past_its_bound() public {
        bytes32 id = assertTruth();
        uint256 bound_ = this.nowSeconds() + 6 hours + game.maxDisputeSeconds(1000);
        skip(6 hours);
        bytes32[] memory games = new bytes32[](5);
        for (uint256 i = 0; i < 5; ++i) {
            Player memory p = Player(SYBIL, false, uint64(100 * i), 50 + i);
            games[i] = commitAs(id, p);
        }
        skip(1 hours);
        for (uint256 i = 0; i < 4; ++i) openAs(id, games[i], Player(SYBIL, false, uint64(100 * i), 50 + i));
        Player memory e = honest(EXECUTOR);
        for (uint256 i = 0; i < 4; ++i) playTurn(id, games[i], e);
        skip(3 hours + 10 minutes + 1);
        game.forfeit(games[4]);
        for (uint256 i = 0; i < 4; ++i) {
            if (game.game(games[i]).status == IDisputeGame.GameStatus.ChallengerTurn) game.timeout(games[i]);
        }
        market.finalise(id);
        vm.assertLe(this.nowSeconds(), bound_, "later than the bound");
        for (uint256 i = 0; i < 5; ++i) game.settle(games[i]);
        vm.assertGe(freeOf(EXECUTOR), 1000 ether + FEE, "the honest side lost");
        vm.assertEq(lockedOf(SYBIL), 0, "locked");
    }
}
