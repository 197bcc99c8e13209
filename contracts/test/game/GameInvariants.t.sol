// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../../src/DisputeGame.sol";
import {StakeManager} from "../../src/StakeManager.sol";
import {TaskMarket} from "../../src/TaskMarket.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {TestBase} from "../utils/TestBase.sol";
import {RandomPlay} from "./RandomPlay.sol";

/// @title What holds whatever anyone does.
contract GameInvariantsTest is TestBase {
    address private constant EXECUTOR = address(0x2000);
    address private constant CHALLENGER = address(0x3000);
    address private constant REQUESTER = address(0x1000);
    uint256 private constant FUNDS = 1000 ether;

    RandomPlay private play;
    StakeManager private vault;
    TaskMarket private market;
    DisputeGame private game;

    function setUp() public {
        play = new RandomPlay();
        (address v, address m, address g) = play.system();
        (vault, market, game) = (StakeManager(v), TaskMarket(m), DisputeGame(g));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(play);
    }

    function wealth(address who) private view returns (uint256) {
        (uint256 free, uint256 locked) = vault.account(who);
        return free + locked + who.balance;
    }

    function invariant_whatever_anyone_does() public view {
        value_is_conserved_to_the_wei();
        locked_is_exactly_what_is_at_stake();
        the_honest_side_never_loses();
        rogues_pay_for_every_loss();
        every_dispute_ends_within_the_bound();
        counters_count_the_games();
    }

    /// @dev The play is worth its invariants only when it reaches every outcome: each kind of upkeep and verdict.
    function test_random_play_reaches_every_outcome() public {
        for (uint256 i = 0; i < 2500; ++i) randomCall(uint256(keccak256(abi.encode(i))));
        invariant_whatever_anyone_does();
        for (uint256 kind = 0; kind < 9; ++kind) {
            vm.assertGe(play.upkeeps(kind), 1, string.concat("upkeep ", vm.toString(kind)));
        }
        vm.assertGe(play.proofs(), 1, "proofs");
    }

    function randomCall(uint256 seed) private {
        bytes4[18] memory calls = [
            play.requestTask.selector,
            play.letTimePass.selector,
            play.letMuchTimePass.selector,
            play.upkeep.selector,
            play.upkeep.selector,
            play.honestExecution.selector,
            play.honestChallenge.selector,
            play.anyPriority.selector,
            play.rogueClaim.selector,
            play.rogueAssertion.selector,
            play.rogueExecution.selector,
            play.rogueChallenge.selector,
            play.rogueOpening.selector,
            play.rogueMove.selector,
            play.rogueMove.selector,
            play.rogueOpening.selector,
            play.rogueDemand.selector,
            play.rogueReveal.selector
        ];
        bytes4 selector = calls[seed % 18];
        (uint256 a, uint256 b) = (uint256(keccak256(abi.encode(seed, 1))), uint256(keccak256(abi.encode(seed, 2))));
        uint256 c = seed >> 224;
        bytes memory data = abi.encodeWithSelector(selector, a, b, c, (seed >> 200) % 2);
        if (selector == play.rogueAssertion.selector) data = abi.encodeWithSelector(selector, a, b % 2);
        if (selector == play.requestTask.selector) data = abi.encodeWithSelector(selector, a % 2);
        (bool success,) = address(play).call(data);
        // An action that is not possible now changes nothing.
        success;
    }

    function value_is_conserved_to_the_wei() private view {
        address[] memory all = play.accounts();
        uint256 ledger = vault.burned();
        uint256 outside = 0;
        for (uint256 i = 0; i < all.length; ++i) {
            (uint256 free, uint256 locked) = vault.account(all[i]);
            ledger += free + locked;
            outside += all[i].balance;
        }
        vm.assertEq(address(vault).balance, ledger, "the vault's balance is not its ledger");
        vm.assertEq(ledger + outside, all.length * FUNDS, "wei appeared or vanished");
        vm.assertEq(address(market).balance + address(game).balance, 0, "ether outside the vault");
    }

    function locked_is_exactly_what_is_at_stake() private view {
        address[] memory all = play.accounts();
        for (uint256 i = 0; i < all.length; ++i) {
            (, uint256 locked) = vault.account(all[i]);
            vm.assertEq(locked, atStake(all[i]), "locked wei");
        }
    }

    function atStake(address who) private view returns (uint256 sum) {
        (uint256 tasks, uint256 assertions, uint256 games) = play.counts();
        for (uint256 i = 0; i < tasks; ++i) {
            ITaskMarket.Task memory t = market.task(play.tasks(i));
            bool over = t.status == ITaskMarket.TaskStatus.Final || t.status == ITaskMarket.TaskStatus.Refunded;
            if (who == t.requester && !over) sum += t.fee;
            if (who == t.executor && t.status == ITaskMarket.TaskStatus.Claimed) sum += t.stake;
        }
        for (uint256 i = 0; i < assertions; ++i) {
            bytes32 id = play.assertions(i);
            ITaskMarket.Assertion memory a = market.assertion(id);
            if (who == a.executor) {
                IDisputeGame.Contest memory c = game.contest(id);
                if (a.status == ITaskMarket.AssertionStatus.Pending) sum += a.stake;
                else if (c.candidate != 0 && !c.rewarded) sum += market.rewardOf(a.stake);
            }
            if (who == a.demander && a.demand == ITaskMarket.DemandStatus.Open) {
                sum += market.revealBondFor(id);
            }
        }
        for (uint256 i = 0; i < games; ++i) {
            IDisputeGame.Game memory g = game.game(play.games(i));
            if (who == g.challenger) sum += g.bond;
        }
    }

    function the_honest_side_never_loses() private view {
        vm.assertEq(play.honestFailures(), 0, "an honest player had no move");
        (, uint256 assertions, uint256 games) = play.counts();
        for (uint256 i = 0; i < assertions; ++i) {
            bytes32 id = play.assertions(i);
            if (market.assertion(id).executor != EXECUTOR) continue;
            vm.assertTrue(play.isTrue(id), "the honest executor lied");
            vm.assertTrue(!game.isVoided(id), "an honest executor lost");
        }
        for (uint256 i = 0; i < games; ++i) {
            IDisputeGame.Game memory g = game.game(play.games(i));
            bool lost = g.challenger == CHALLENGER && g.status == IDisputeGame.GameStatus.Lost;
            vm.assertTrue(!lost, "an honest challenger lost");
        }
        vm.assertGe(wealth(EXECUTOR), FUNDS, "the honest executor lost money");
        vm.assertGe(wealth(CHALLENGER), FUNDS, "the honest challenger lost money");
        vm.assertGe(wealth(REQUESTER) + play.finals() * 1 ether, FUNDS, "the requester lost more than fees");
    }

    /// @dev The honest side never burns, so every burned wei is the rogues': together they pay at least the burns of
    /// what they lost, on whichever sides they were.
    function rogues_pay_for_every_loss() private view {
        uint256 owed = 0;
        (, uint256 assertions, uint256 games) = play.counts();
        for (uint256 i = 0; i < assertions; ++i) {
            ITaskMarket.Assertion memory a = market.assertion(play.assertions(i));
            if (a.status == ITaskMarket.AssertionStatus.Slashed) owed += a.stake - market.rewardOf(a.stake);
        }
        for (uint256 i = 0; i < games; ++i) {
            bytes32 id = play.games(i);
            IDisputeGame.Game memory g = game.game(id);
            if (g.status == IDisputeGame.GameStatus.Lost && g.bond == 0) owed += play.bondOf(id) / 2;
        }
        vm.assertGe(vault.burned(), owed, "a loss burned too little");
        uint256 rogues = 0;
        for (uint256 i = 0; i < play.ROGUES(); ++i) rogues += wealth(play.rogue(i));
        vm.assertLe(
            rogues + vault.burned(), play.ROGUES() * FUNDS + play.finals() * 1 ether, "the rogues gained"
        );
    }

    function every_dispute_ends_within_the_bound() private view {
        (,, uint256 games) = play.counts();
        uint256 most = game.maxDisputeSeconds(play.STEPS());
        for (uint256 i = 0; i < games; ++i) {
            bytes32 id = play.games(i);
            vm.assertLe(game.game(id).deadline, play.committedAt(id) + most, "a deadline beyond the bound");
        }
    }

    function counters_count_the_games() private view {
        (, uint256 assertions, uint256 games) = play.counts();
        for (uint256 i = 0; i < assertions; ++i) {
            bytes32 id = play.assertions(i);
            if (game.isVoided(id)) continue;
            uint256 unopened = 0;
            uint256 open = 0;
            for (uint256 j = 0; j < games; ++j) {
                IDisputeGame.Game memory g = game.game(play.games(j));
                if (g.assertionId != id) continue;
                if (g.status == IDisputeGame.GameStatus.Committed) ++unopened;
                if (g.status == IDisputeGame.GameStatus.ExecutorTurn || g.status == IDisputeGame.GameStatus.ChallengerTurn)
                {
                    ++open;
                }
            }
            IDisputeGame.Contest memory c = game.contest(id);
            vm.assertEq(c.unopened, unopened, "unopened");
            vm.assertEq(c.open, open, "open");
            if (unopened + open != 0) {
                bool pending = market.assertion(id).status == ITaskMarket.AssertionStatus.Pending;
                vm.assertTrue(pending, "an assertion became final under a live game");
            }
        }
    }
}
