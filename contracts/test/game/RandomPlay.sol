// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {RandomBoard} from "./RandomBoard.sol";

/// @title Random play: three rogues do anything; an honest executor, challenger and requesters answer in time.
/// @dev Before time passes the honest side makes every move that is due, as a running node would.
contract RandomPlay is RandomBoard {
    struct SignedRequest {
        ITaskMarket.TaskRequest terms;
        bytes input;
        bytes signature;
    }

    uint256 private constant MAX_TASKS = 24;
    SignedRequest[] private _signed;

    // anyone

    function requestTask(uint256 kind) external timed {
        if (tasks.length == MAX_TASKS) return;
        if (kind % 2 == 0) {
            keepTask(newTask(iterationsOf(kind)));
        } else {
            (bytes32 taskId, bytes memory input) = newBareTask(iterationsOf(kind));
            _inputs[taskId] = input;
            keepTask(taskId);
        }
    }

    /// @dev A rogue sends what an honest requester signed, or sends it again.
    function requestSigned(uint256 who, uint256 pick, uint256 kind) external timed {
        if (_signed.length != 0 && kind / 4 % 3 == 0) {
            replay(rogue(who), _signed[pick % _signed.length], kind % 2 == 0);
            return;
        }
        if (tasks.length == MAX_TASKS) return;
        bytes memory input = inputOf(++_salt);
        bool carried = kind % 2 == 0;
        ITaskMarket.TaskRequest memory r = ITaskMarket.TaskRequest(
            PROGRAM, rootOfInput(input), iterationsOf(kind), FEE, taskDeadline(), uint64(_salt), carried
        );
        bytes memory signature = signed(KEY, r);
        vm.prank(rogue(who));
        bytes32 taskId = market.requestSigned(signer, r, carried ? input : bytes(""), signature);
        _inputs[taskId] = input;
        _signed.push(SignedRequest(r, input, signature));
        ++reached[carried ? "a signed request with its input" : "a signed request by its input's root"];
        keepTask(taskId);
    }

    /// @dev What was sent once is never taken again, with its input or without, whatever became of the task.
    function replay(address sender, SignedRequest memory s, bool carried) private {
        vm.prank(sender);
        try market.requestSigned(signer, s.terms, carried ? s.input : bytes(""), s.signature) {
            breach = "a signed request was taken twice";
        } catch (bytes memory why) {
            bool isOther = carried != s.terms.carried;
            if (isOther && bytes4(why) == ITaskMarket.WrongInputLength.selector) {
                ++reached["a replay refused, since its input was left out or added"];
            }
            if (bytes4(why) == ITaskMarket.TaskExists.selector) ++reached["a replay refused, since its task exists"];
            if (bytes4(why) == ITaskMarket.RequestsPaused.selector) ++reached["a request refused, since all are"];
        }
    }

    /// @dev The guardian stops requests and resumes them; nobody else can.
    function setPaused(uint256 who, uint256 kind) external timed {
        bool paused = kind % 3 == 0;
        if (who % 2 == 0) {
            vm.prank(GUARDIAN);
            market.setPaused(paused);
            succeed();
            return;
        }
        vm.prank(someAccount(who / 2));
        try market.setPaused(paused) {
            breach = "requests were stopped or resumed by somebody else than the guardian";
        } catch {
            ++reached["a stop refused, since it is not the guardian's"];
        }
    }

    function letTimePass(uint256 seconds_, uint256 fee) external timed {
        pass(1);
        answer();
        passAt(bound(seconds_, 0, 40 minutes), fee);
        succeed();
    }

    function letMuchTimePass(uint256 seconds_, uint256 fee) external timed {
        pass(1);
        answer();
        passAt(bound(seconds_, 40 minutes, 3 hours), fee);
        succeed();
    }

    function withdraw(uint256 who, uint256 amount) external timed {
        address account = someAccount(who);
        amount = bound(amount, 1, freeOf(account));
        vm.prank(account);
        vault.withdraw(amount);
        succeed();
    }

    /// @dev For itself, or a gift to somebody else.
    function deposit(uint256 who, uint256 whom, uint256 amount) external timed {
        (address from, address to) = (someAccount(who), someAccount(whom));
        amount = bound(amount, 1, from.balance);
        vm.prank(from);
        if (from == to) vault.deposit{value: amount}();
        else vault.depositFor{value: amount}(to);
        gifts[from] -= int256(amount);
        gifts[to] += int256(amount);
        ++reached[from == to ? "a deposit" : "a gift"];
        succeed();
    }

    /// @dev One housekeeping call: of the first kind from `kind` on that is possible, on a thing from `pick` on.
    function upkeep(uint256 kind, uint256 pick) external timed {
        for (uint256 k = 0; k < 9; ++k) {
            if (upkeepOf((kind % 9 + k) % 9, pick)) return;
        }
    }

    function upkeepOf(uint256 kind, uint256 pick) private returns (bool done) {
        uint256 things = kind < 2 ? tasks.length : kind < 6 ? assertions.length : games.length;
        for (uint256 i = 0; i < things && !done; ++i) done = tryUpkeep(kind, pick % things + i);
    }

    function tryUpkeep(uint256 kind, uint256 pick) private returns (bool done) {
        address target = kind < 5 ? address(market) : address(game);
        bytes32 thing = kind < 2 ? someTask(pick) : kind < 6 ? someAssertion(pick) : someGame(pick);
        bytes4[9] memory selectors = [
            market.expireClaim.selector,
            market.reclaimFee.selector,
            market.finalise.selector,
            market.slash.selector,
            market.timeoutReveal.selector,
            game.claimReward.selector,
            game.timeout.selector,
            game.forfeit.selector,
            game.settle.selector
        ];
        uint256 burned = vault.burned();
        (done,) = target.call(abi.encodeWithSelector(selectors[kind], thing));
        if (!done) return false;
        ++reached[upkeepName(kind, market.paused())];
        succeed();
        if (kind == 0) ++expiries;
        if (kind == 2) ++finals;
        if (kind == 8) noteSettlement(thing, vault.burned() - burned);
    }

    /// @dev A claim that follows an expired one directly.
    function takeOver(uint256 who, uint256 pick) external timed {
        bytes32 taskId = expiredTask(pick);
        if (who % 2 == 0) {
            keepAssertion(assertOutput(taskId, EXECUTOR, trueOutput(taskId)), false);
        } else {
            claimTask(taskId, rogue(who));
            succeed();
        }
    }

    function anyPriority(uint256 pick) external timed {
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 g = someGame(pick % games.length + i);
            Player memory p = _players[g];
            bytes32 a = game.game(g).assertionId;
            bytes32 finalHash = stateAt(a, p, stepsOf(a));
            try game.claimPriority(g, finalHash, bytes32(p.noise)) {
                succeed();
                return;
            } catch {}
        }
    }

    // the honest side

    function honestExecution(uint256 pick) external timed {
        bytes32 taskId = openTask(pick);
        keepAssertion(assertOutput(taskId, EXECUTOR, trueOutput(taskId)), false);
    }

    function honestChallenge(uint256 pick) external timed {
        for (uint256 i = 0; i < assertions.length; ++i) {
            bytes32 a = openAssertion(pick % assertions.length + i);
            if (isTrue(a)) continue;
            challengeAs(a, honest(CHALLENGER));
            return;
        }
    }

    /// @dev Make every move that the honest side owes.
    function answer() private {
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 g = games[i];
            IDisputeGame.Game memory state = game.game(g);
            if (game.isVoided(state.assertionId)) continue;
            bool executors = state.status == IDisputeGame.GameStatus.ExecutorTurn;
            address executor = game.contest(state.assertionId).executor;
            if (state.status == IDisputeGame.GameStatus.Committed && state.challenger == CHALLENGER) {
                openAs(state.assertionId, g, _players[g]);
            } else if (executors && executor == EXECUTOR) {
                owe(state.assertionId, g, honest(EXECUTOR));
            } else if (
                state.status == IDisputeGame.GameStatus.ChallengerTurn && state.challenger == CHALLENGER
            ) {
                owe(state.assertionId, g, honest(CHALLENGER));
            }
        }
        for (uint256 i = 0; i < assertions.length; ++i) {
            ITaskMarket.Assertion memory a = market.assertion(assertions[i]);
            bool owed = a.status == ITaskMarket.AssertionStatus.Pending && a.demand == ITaskMarket.DemandStatus.Open;
            if (owed && a.executor == EXECUTOR) revealAs(EXECUTOR, assertions[i]);
        }
    }

    function owe(bytes32 a, bytes32 g, Player memory p) private {
        if (!playTurn(a, g, p)) ++honestFailures;
        noteProof(g);
    }

    // rogues

    function rogueClaim(uint256 who, uint256 pick) external timed {
        claimTask(openTask(pick), rogue(who));
        succeed();
    }

    /// @dev The truth, a false output, a run that is falsely said to have halted, or both.
    function rogueAssertion(uint256 pick, uint256 kind) external timed {
        bool halted = kind / 2 % 2 == 1;
        for (uint256 i = 0; i < tasks.length; ++i) {
            bytes32 taskId = someTask(pick % tasks.length + i);
            ITaskMarket.Task memory t = market.task(taskId);
            if (t.status != ITaskMarket.TaskStatus.Claimed) continue;
            bytes memory output = kind % 2 == 1 ? new bytes(32) : trueOutput(taskId);
            vm.prank(t.executor);
            keepAssertion(market.assertResult(taskId, t.attempt, output, halted), halted);
            return;
        }
    }

    /// @dev A false output, or the true one of a run that is falsely said to have halted.
    function rogueExecution(uint256 who, uint256 pick, uint256 kind) external timed {
        bytes32 taskId = openTask(pick);
        bool halted = kind % 2 == 1;
        bytes memory output = halted ? trueOutput(taskId) : new bytes(32);
        keepAssertion(assertOutput(taskId, rogue(who), output, halted), halted);
    }

    function rogueChallenge(uint256 who, uint256 pick, uint256 divergence, uint256 kind) external timed {
        bytes32 a = openAssertion(pick);
        address challenger = rogue(who);
        if (market.terms(a).executor == challenger) challenger = rogue(who + 1);
        Player memory p = Player(challenger, kind % 2 == 0, uint64(divergence % stepsOf(a)), ++_salt);
        challengeAs(a, p);
    }

    /// @dev Most rogues open what they committed to and still can.
    function rogueOpenings(uint256 which) external timed {
        pass(1);
        for (uint256 i = 0; i < games.length; ++i) {
            IDisputeGame.Game memory state = game.game(games[i]);
            bytes32 a = state.assertionId;
            Player memory p = _players[games[i]];
            bool closed = state.status != IDisputeGame.GameStatus.Committed || state.deadline < _clock;
            if (closed || game.isVoided(a) || p.who == CHALLENGER || (which >> i) % 4 == 0) continue;
            if (stateAt(a, p, stepsOf(a)) == market.terms(a).finalHash) continue;
            openAs(a, games[i], p);
            succeed();
        }
    }

    /// @dev Most rogues whose turn it is play on, each by its own trace.
    function rogueMoves(uint256 which, uint256 divergence) external timed {
        for (uint256 i = 0; i < games.length; ++i) {
            (bytes32 a, Player memory p) = rogueToMove(games[i], divergence);
            if (p.who == address(0) || (which >> i) % 4 == 0) continue;
            if (playTurn(a, games[i], p)) succeed();
            noteProof(games[i]);
        }
    }

    /// @dev A rogue whose turn it is names a random segment and states noise.
    function rogueNoise(uint256 pick, uint256 segment, uint256 divergence) external timed {
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 g = someGame(pick % games.length + i);
            (bytes32 a, Player memory p) = rogueToMove(g, divergence);
            if (p.who == address(0)) continue;
            p = Player(p.who, false, uint64(divergence % stepsOf(a)), ++_salt);
            if (playSegment(a, g, p, segment % boards[g].hashes.length)) succeed();
            noteProof(g);
            return;
        }
    }

    /// @dev The rogue whose turn it is in a game, or nobody.
    function rogueToMove(bytes32 g, uint256 divergence) private returns (bytes32 a, Player memory p) {
        IDisputeGame.Game memory state = game.game(g);
        a = state.assertionId;
        if (game.isVoided(a) || state.deadline < _clock) return (a, p);
        if (state.status == IDisputeGame.GameStatus.ChallengerTurn && state.challenger != CHALLENGER) {
            p = _players[g];
        }
        address executor = game.contest(a).executor;
        if (state.status == IDisputeGame.GameStatus.ExecutorTurn && executor != EXECUTOR) {
            p = Player(executor, false, uint64(divergence % stepsOf(a)), ++_salt);
        }
    }

    function rogueDemand(uint256 who, uint256 pick) external timed {
        bytes32 a = openAssertion(pick);
        vm.prank(rogue(who));
        market.demandReveal(a);
        succeed();
    }

    function rogueReveal(uint256 who, uint256 pick) external timed {
        revealAs(rogue(who), openAssertion(pick));
        succeed();
    }

    function iterationsOf(uint256 kind) private pure returns (uint32) {
        return kind / 2 % 2 == 0 ? 1 : 2;
    }
}
