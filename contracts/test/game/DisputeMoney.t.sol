// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title Where bonds and stakes go, with many games at once and with players on both sides.
contract DisputeMoneyTest is GameFixture {
    uint64 private constant STEPS = 625;
    address private constant SYBIL = address(0x5000);

    function setUp() public {
        deploy(STEPS, 5);
        fund(SYBIL);
    }

    function total(address who) private view returns (uint256) {
        return freeOf(who) + lockedOf(who);
    }

    function test_the_winner_gets_a_quarter_of_the_stake_and_its_bond() public {
        bytes32 a = assertLie();
        bytes32 g = startGame(a, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 400), honest(CHALLENGER));
        vm.expectPartialRevert(IDisputeGame.DeadlineNotPassed.selector);
        game.claimReward(a);
        skip(1 hours + 1);
        game.claimReward(a);
        vm.assertEq(freeOf(CHALLENGER), 1000 ether + STAKE / 4, "challenger");
        vm.assertEq(total(EXECUTOR), 1000 ether - STAKE, "executor");
        vm.assertEq(vault.burned(), STAKE - STAKE / 4, "burned");
        vm.assertEq(uint256(market.assertion(a).status), uint256(ITaskMarket.AssertionStatus.Slashed), "slashed");
        vm.expectPartialRevert(IDisputeGame.NoReward.selector);
        game.claimReward(a);
        vm.expectPartialRevert(IDisputeGame.NothingToSettle.selector);
        game.settle(g);
    }

    function test_a_losing_challenger_pays_the_executors_moves_and_burns_the_rest() public {
        bytes32 a = assertTruth();
        Player memory cheat = liar(CHALLENGER, 400);
        bytes32 g = startGame(a, cheat);
        vm.expectPartialRevert(IDisputeGame.NothingToSettle.selector);
        game.settle(g);
        playOut(a, g, honest(EXECUTOR), cheat);
        IDisputeGame.Game memory result = game.game(g);
        // Two dissections at BASE_FEE, each rounded down to a millionth of an ether.
        vm.assertEq(result.refund, 2 * 1660e12, "refund");
        vm.assertTrue(result.refund < result.bond / 2, "bound");
        game.settle(g);
        vm.assertEq(total(EXECUTOR), 1000 ether + result.refund, "executor");
        vm.assertEq(total(CHALLENGER), 1000 ether - result.bond, "challenger");
        vm.assertEq(vault.burned(), result.bond - result.refund, "burned");
        skip(6 hours);
        market.finalise(a);
    }

    function test_refunds_follow_the_base_fee_up_to_half_a_bond() public {
        uint256[3] memory fees = [uint256(1 gwei), 50 gwei, 100_000 gwei];
        for (uint256 i = 0; i < 3; ++i) {
            bytes32 a = assertTruth();
            Player memory cheat = liar(CHALLENGER, 400);
            vm.fee(fees[i]);
            bytes32 g = startGame(a, cheat);
            playOut(a, g, honest(EXECUTOR), cheat);
            // A block's base fee counts when the move is made, not when the game is settled.
            vm.fee(BASE_FEE);
            IDisputeGame.Game memory result = game.game(g);
            uint256 due = i == 2 ? uint256(65_535) * 1e12 : 2 * (83_000 * fees[i] / 1e12) * 1e12;
            vm.assertEq(result.refund, due, "refund");
            uint256 before = total(EXECUTOR);
            game.settle(g);
            uint256 paid = due < result.bond / 2 ? due : result.bond / 2;
            vm.assertEq(total(EXECUTOR) - before, paid, "paid");
        }
    }

    function test_an_executor_must_win_every_game() public {
        bytes32 a = assertTruth();
        bytes32[] memory games = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            Player memory cheat = liar(CHALLENGER, uint64(100 * i));
            cheat.noise = i;
            games[i] = startGame(a, cheat);
        }
        for (uint256 i = 0; i < 3; ++i) {
            skip(6 hours + 1);
            vm.expectPartialRevert(ITaskMarket.DisputeNotClear.selector);
            market.finalise(a);
            vm.warp(START + 36);
            playOutLie(a, games[i], i);
        }
        skip(7 hours);
        market.finalise(a);
    }

    function playOutLie(bytes32 a, bytes32 g, uint256 i) private {
        Player memory cheat = liar(CHALLENGER, uint64(100 * i));
        cheat.noise = i;
        playOut(a, g, honest(EXECUTOR), cheat);
    }

    function test_a_friendly_challenger_cannot_shield_a_liar() public {
        bytes32 a = assertLie();
        Player memory friend = liar(SYBIL, 0);
        bytes32 shield = startGame(a, friend);
        bytes32 g = startGame(a, honest(CHALLENGER));
        // The friend loses by silence.
        playTurn(a, shield, liar(EXECUTOR, 400));
        playOut(a, g, liar(EXECUTOR, 400), honest(CHALLENGER));
        vm.assertTrue(game.isVoided(a), "the lie stands");
    }

    function test_other_games_are_refunded_when_one_decides() public {
        bytes32 a = assertLie();
        bytes32 other = startGame(a, liar(SYBIL, 3));
        bytes32 unopened = commitHash(a, SYBIL, "late", "s");
        bytes32 g = startGame(a, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 400), honest(CHALLENGER));
        vm.expectPartialRevert(IDisputeGame.AssertionVoid.selector);
        this.playExternally(a, other);
        vm.expectPartialRevert(IDisputeGame.AssertionVoid.selector);
        game.timeout(other);
        game.settle(other);
        skip(2 hours);
        vm.expectPartialRevert(IDisputeGame.AssertionVoid.selector);
        game.forfeit(unopened);
        game.settle(unopened);
        vm.assertEq(freeOf(SYBIL), 1000 ether, "refunds");
    }

    function playExternally(bytes32 a, bytes32 g) external {
        playSegment(a, g, liar(EXECUTOR, 0), 0);
    }

    function test_an_overdue_commit_is_not_spared_by_a_later_verdict() public {
        bytes32 a = assertLie();
        bytes32 overdue = commitHash(a, SYBIL, "never", "s");
        skip(1 hours + 1);
        bytes32 g = startGame(a, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 400), honest(CHALLENGER));
        vm.expectPartialRevert(IDisputeGame.NothingToSettle.selector);
        game.settle(overdue);
        game.forfeit(overdue);
        uint256 before = vault.burned();
        game.settle(overdue);
        vm.assertGe(vault.burned(), before + 0.02 ether, "burned");
    }

    // priority

    function test_the_earliest_commit_with_the_winners_hash_is_paid() public {
        bytes32 a = assertLie();
        bytes32 first = commitAs(a, honest(CHALLENGER));
        bytes32 g = startGame(a, honest(SYBIL));
        playOut(a, g, liar(EXECUTOR, 600), honest(SYBIL));
        bytes32 truth = truthAt(a, STEPS);
        // `first` never opened: the verdict came before its deadline, and its content now speaks for it.
        vm.assertTrue(game.game(first).status == IDisputeGame.GameStatus.Committed, "opened");
        game.claimPriority(first, truth, bytes32(honest(CHALLENGER).noise));
        game.settle(g);
        skip(1 hours + 1);
        game.claimReward(a);
        vm.assertEq(freeOf(CHALLENGER), 1000 ether + STAKE / 4, "first");
        vm.assertEq(freeOf(SYBIL), 1000 ether, "second");
    }

    function test_an_open_earlier_game_takes_priority_too() public {
        bytes32 a = assertLie();
        bytes32 first = startGame(a, honest(CHALLENGER));
        bytes32 g = startGame(a, honest(SYBIL));
        playOut(a, g, liar(EXECUTOR, 600), honest(SYBIL));
        game.settle(first);
        bytes32 truth = truthAt(a, STEPS);
        vm.expectPartialRevert(IDisputeGame.NotEarlier.selector);
        game.claimPriority(g, truth, 0);
        game.claimPriority(first, truth, 0);
        skip(1 hours + 1);
        vm.expectPartialRevert(IDisputeGame.DeadlinePassed.selector);
        game.claimPriority(first, truth, 0);
        game.claimReward(a);
        vm.assertEq(freeOf(CHALLENGER), 1000 ether + STAKE / 4, "first");
    }

    function test_priority_needs_the_winners_hash_and_no_loss() public {
        bytes32 a = assertLie();
        bytes32 wrong = startGame(a, liar(SYBIL, 3));
        bytes32 hidden = commitHash(a, SYBIL, "garbage", "s");
        bytes32 lost = commitAs(a, honest(SYBIL));
        skip(1 hours + 1);
        game.forfeit(lost);
        bytes32 g = commitAs(a, honest(CHALLENGER));
        vm.expectPartialRevert(IDisputeGame.AssertionNotVoid.selector);
        game.claimPriority(wrong, 0, 0);
        bytes32 fresh = commitHash(a, SYBIL, "more garbage", "s");
        skip(12);
        openAs(a, g, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 600), honest(CHALLENGER));
        bytes32 truth = truthAt(a, STEPS);
        vm.expectPartialRevert(IDisputeGame.OtherFinalHash.selector);
        game.claimPriority(wrong, truth, 0);
        vm.expectPartialRevert(IDisputeGame.WrongGameStatus.selector);
        game.claimPriority(hidden, truth, "s");
        vm.expectPartialRevert(IDisputeGame.WrongGameStatus.selector);
        game.claimPriority(lost, truth, bytes32(honest(SYBIL).noise));
        vm.expectPartialRevert(IDisputeGame.NotEarlier.selector);
        game.claimPriority(fresh, truth, "s");
        skip(1 hours + 1);
        game.claimReward(a);
        vm.assertEq(freeOf(CHALLENGER), 1000 ether + STAKE / 4, "winner");
    }

    function test_an_earlier_commit_to_another_hash_has_no_priority() public {
        bytes32 a = assertLie();
        bytes32 early = commitHash(a, SYBIL, "garbage", "s");
        bytes32 g = startGame(a, honest(CHALLENGER));
        playOut(a, g, liar(EXECUTOR, 600), honest(CHALLENGER));
        vm.expectPartialRevert(IDisputeGame.OtherFinalHash.selector);
        game.claimPriority(early, "garbage", "s");
        bytes32 truth = truthAt(a, STEPS);
        vm.expectPartialRevert(IDisputeGame.WrongCommitment.selector);
        game.claimPriority(early, truth, "s");
    }

    // both sides

    function testFuzz_playing_both_sides_of_a_lie_burns_three_quarters_of_a_stake(uint256 divergence) public {
        bytes32 a = assertLie();
        bytes32 g = startGame(a, honest(SYBIL));
        playOut(a, g, liar(EXECUTOR, uint64(bound(divergence, 0, STEPS - 1))), honest(SYBIL));
        skip(1 hours + 1);
        game.claimReward(a);
        vm.assertEq(total(EXECUTOR) + total(SYBIL), 2000 ether - (STAKE - STAKE / 4), "cost");
        vm.assertEq(total(REQUESTER), 1000 ether, "the requester keeps the fee");
    }

    function testFuzz_playing_both_sides_of_a_truth_burns_half_a_bond(uint256 divergence) public {
        bytes32 a = assertTruth();
        Player memory cheat = liar(SYBIL, uint64(bound(divergence, 0, STEPS - 1)));
        bytes32 g = startGame(a, cheat);
        uint256 bond = game.game(g).bond;
        playOut(a, g, honest(EXECUTOR), cheat);
        game.settle(g);
        vm.assertGe(2000 ether - total(EXECUTOR) - total(SYBIL), bond / 2, "cost");
    }

    function test_an_executor_may_challenge_itself_and_loses_the_burn() public {
        bytes32 a = assertLie();
        Player memory self = honest(EXECUTOR);
        bytes32 g = startGame(a, self);
        vm.warp(uint256(game.game(g).deadline) + 1);
        game.timeout(g);
        skip(1 hours + 1);
        game.claimReward(a);
        vm.assertEq(total(EXECUTOR), 1000 ether - (STAKE - STAKE / 4), "cost");
        vm.assertEq(lockedOf(EXECUTOR), 0, "locks");
    }

    // many

    function test_a_hundred_games_at_once_are_decided_one_by_one() public {
        bytes32 a = assertTruth();
        bytes32[] memory games = new bytes32[](100);
        for (uint256 i = 0; i < 100; ++i) {
            Player memory cheat = liar(CHALLENGER, uint64(6 * i));
            cheat.noise = i;
            games[i] = commitAs(a, cheat);
        }
        skip(12);
        for (uint256 i = 0; i < 100; ++i) {
            Player memory cheat = liar(CHALLENGER, uint64(6 * i));
            cheat.noise = i;
            openAs(a, games[i], cheat);
        }
        for (uint256 i = 0; i < 100; ++i) playTurn(a, games[i], honest(EXECUTOR));
        skip(4 hours);
        for (uint256 i = 0; i < 100; ++i) {
            game.timeout(games[i]);
            game.settle(games[i]);
        }
        vm.assertEq(lockedOf(CHALLENGER), 0, "locked bonds");
        vm.assertGe(vault.burned(), 14 ether, "a flood is not free");
        skip(6 hours);
        market.finalise(a);
    }

    function test_only_the_market_voids() public {
        bytes32 a = assertTruth();
        vm.expectPartialRevert(IDisputeGame.NotMarket.selector);
        game.voidByMarket(a);
    }
}
