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
    uint256 private constant KINDS = 9;
    uint256 private constant HANDLERS = 21;

    RandomPlay private play;
    StakeManager private vault;
    TaskMarket private market;
    DisputeGame private game;
    mapping(string outcome => uint256) private _times;

    function setUp() public {
        play = new RandomPlay();
        (address v, address m, address g) = play.system();
        (vault, market, game) = (StakeManager(v), TaskMarket(m), DisputeGame(g));
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(play);
    }

    /// @dev What somebody won or lost by playing, wherever its ether lies; gifts are not won.
    function gain(address who) private view returns (int256) {
        (uint256 free, uint256 locked) = vault.account(who);
        return int256(free + locked + who.balance) - int256(FUNDS) - play.gifts(who);
    }

    function invariant_whatever_anyone_does() public view {
        value_is_conserved_to_the_wei();
        locked_is_exactly_what_is_at_stake();
        the_honest_side_never_loses();
        every_burn_has_its_cause();
        at_least_half_of_a_lost_bond_burns();
        rogues_pay_for_every_loss();
        every_dispute_ends_within_the_bound();
        counters_count_the_games();
        vm.assertTrue(bytes(play.breach()).length == 0, play.breach());
    }

    /// @dev The play is worth its invariants only when it reaches every outcome: each handler, upkeep and verdict.
    function test_random_play_reaches_every_outcome() public {
        vm.pauseGasMetering();
        string[] memory all = outcomes();
        for (uint256 i = 0; i < 9000; ++i) {
            randomCall(uint256(keccak256(abi.encode(i))));
            if (i % 300 != 299) continue;
            invariant_whatever_anyone_does();
            for (uint256 o = 0; o < all.length; ++o) _times[all[o]] += play.reached(all[o]);
            setUp();
        }
        for (uint256 o = 0; o < all.length; ++o) vm.assertGe(_times[all[o]], 1, all[o]);
    }

    function outcomes() private view returns (string[] memory all) {
        string[13] memory named = [
            "a proof",
            "a proof in the second iteration",
            "a false halt that the honest challenger disproved",
            "a lost bond that burns whole",
            "a lost bond that refunds half",
            "a lost bond that refunds less than half",
            "a signed request with its input",
            "a signed request by its input's root",
            "a replay refused, since its task exists",
            "a request refused, since all are",
            "a stop refused, since it is not the guardian's",
            "a deposit",
            "a gift"
        ];
        bytes4[HANDLERS] memory calls = handlers();
        all = new string[](named.length + calls.length + 2 * KINDS);
        for (uint256 i = 0; i < named.length; ++i) all[i] = named[i];
        uint256 next = named.length;
        for (uint256 i = 0; i < calls.length; ++i) all[next++] = play.handlerName(calls[i]);
        for (uint256 i = 0; i < 2 * KINDS; ++i) all[next++] = play.upkeepName(i / 2, i % 2 == 1);
    }

    function handlers() private view returns (bytes4[HANDLERS] memory) {
        return [
            play.requestTask.selector,
            play.requestSigned.selector,
            play.setPaused.selector,
            play.letTimePass.selector,
            play.letMuchTimePass.selector,
            play.withdraw.selector,
            play.deposit.selector,
            play.upkeep.selector,
            play.takeOver.selector,
            play.anyPriority.selector,
            play.honestExecution.selector,
            play.honestChallenge.selector,
            play.rogueClaim.selector,
            play.rogueAssertion.selector,
            play.rogueExecution.selector,
            play.rogueChallenge.selector,
            play.rogueOpenings.selector,
            play.rogueMoves.selector,
            play.rogueNoise.selector,
            play.rogueDemand.selector,
            play.rogueReveal.selector
        ];
    }

    function randomCall(uint256 seed) private {
        bytes memory data = abi.encodePacked(handlers()[seed % HANDLERS]);
        for (uint256 i = 0; i < 4; ++i) data = bytes.concat(data, keccak256(abi.encode(seed, i)));
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
        vm.assertTrue(gain(EXECUTOR) >= 0, "the honest executor lost money");
        vm.assertTrue(gain(CHALLENGER) >= 0, "the honest challenger lost money");
        (int256 requesters, int256 fees) = (gain(REQUESTER) + gain(play.signer()), finalFees());
        vm.assertTrue(requesters + fees >= 0, "the requesters lost more than fees");
    }

    function finalFees() private view returns (int256) {
        return int256(play.finals() * 1 ether);
    }

    /// @dev Three quarters of the stakes of lies, the penalties of late claims, and lost bonds but for their refunds.
    function every_burn_has_its_cause() private view {
        uint256 causes = play.expiries() * 1 ether;
        (, uint256 assertions, uint256 games) = play.counts();
        for (uint256 i = 0; i < assertions; ++i) {
            ITaskMarket.Assertion memory a = market.assertion(play.assertions(i));
            if (a.status == ITaskMarket.AssertionStatus.Slashed) causes += a.stake - a.stake / 4;
        }
        for (uint256 i = 0; i < games; ++i) causes += play.burnedBy(play.games(i));
        vm.assertEq(vault.burned(), causes, "wei burned for no cause, or a loss burned too little");
    }

    function at_least_half_of_a_lost_bond_burns() private view {
        (,, uint256 games) = play.counts();
        for (uint256 i = 0; i < games; ++i) {
            bytes32 id = play.games(i);
            IDisputeGame.Game memory g = game.game(id);
            bool settled = g.status == IDisputeGame.GameStatus.Lost && g.bond == 0;
            uint256 bond = play.bondOf(id);
            uint256 refund = g.refund < bond / 2 ? g.refund : bond / 2;
            vm.assertEq(play.burnedBy(id), settled ? bond - refund : 0, "burned of a bond");
            if (settled) vm.assertGe(2 * play.burnedBy(id), bond, "less than half of a lost bond burned");
        }
    }

    /// @dev The honest side never burns, so every burned wei is the rogues', whichever sides they were on; all that
    /// they can win together is the fees of final tasks.
    function rogues_pay_for_every_loss() private view {
        int256 rogues = 0;
        for (uint256 i = 0; i < play.ROGUES(); ++i) rogues += gain(play.rogue(i));
        vm.assertTrue(rogues + int256(vault.burned()) <= finalFees(), "the rogues gained");
    }

    function every_dispute_ends_within_the_bound() private view {
        (,, uint256 games) = play.counts();
        for (uint256 i = 0; i < games; ++i) {
            bytes32 id = play.games(i);
            IDisputeGame.Game memory g = game.game(id);
            uint256 most = game.maxDisputeSeconds(market.terms(g.assertionId).steps);
            vm.assertLe(g.deadline, play.committedAt(id) + most, "a deadline beyond the bound");
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
