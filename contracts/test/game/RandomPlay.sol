// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title Random play: three rogues do anything; an honest executor, challenger and requester answer in time.
/// @dev Before time passes the honest side makes every move that is due, as a running node would.
contract RandomPlay is GameFixture {
    uint256 public constant ROGUES = 3;
    /// @dev At k = 4 some disputes take two dissections and some three, so that either side may be the one to prove.
    uint64 public constant STEPS = 20;

    bytes32[] public tasks;
    bytes32[] public assertions;
    bytes32[] public games;
    mapping(bytes32 gameId => uint256 seconds_) public committedAt;
    mapping(bytes32 gameId => uint256 wei_) public bondOf;
    mapping(bytes32 taskId => bytes input) private _inputs;
    mapping(bytes32 gameId => Player) private _players;

    uint256 public honestFailures;
    uint256 public proofs;
    uint256 public finals;
    uint256 public priorities;
    uint256[9] public upkeeps;
    uint256 private _clock = START;
    uint256 private _salt;

    constructor() {
        deploy(STEPS, 4);
        for (uint256 i = 0; i < ROGUES; ++i) fund(rogue(i));
    }

    function taskDeadline() internal view override returns (uint40) {
        return uint40(_clock + 2 days);
    }

    /// @dev A later call of a sequence may find the block's own time again; the play keeps its clock.
    modifier timed() {
        vm.warp(_clock);
        _;
    }

    // anyone

    function requestTask(bool carried) external timed {
        if (tasks.length == 24) return;
        if (carried) {
            tasks.push(newTask());
        } else {
            (bytes32 taskId, bytes memory input) = newBareTask();
            _inputs[taskId] = input;
            tasks.push(taskId);
        }
    }

    function letTimePass(uint256 seconds_) external timed {
        pass(1);
        answer();
        pass(bound(seconds_, 0, 40 minutes));
    }

    function letMuchTimePass(uint256 seconds_) external timed {
        pass(1);
        answer();
        pass(bound(seconds_, 40 minutes, 6 hours));
    }

    /// @dev One housekeeping call of a kind, on the first thing from `pick` on that allows it.
    function upkeep(uint256 kind, uint256 pick) external timed {
        kind %= 9;
        uint256 things = kind < 2 ? tasks.length : kind < 6 ? assertions.length : games.length;
        for (uint256 i = 0; i < things; ++i) {
            if (tryUpkeep(kind, pick % things + i)) return;
        }
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
        (done,) = target.call(abi.encodeWithSelector(selectors[kind], thing));
        if (done) ++upkeeps[kind];
        if (done && kind == 2) ++finals;
    }

    // the honest side

    function honestExecution(uint256 pick) external timed {
        bytes32 taskId = openTask(pick);
        assertions.push(assertOutput(taskId, EXECUTOR, trueOutput(taskId)));
    }

    function honestChallenge(uint256 pick) external timed {
        bytes32 a = openAssertion(pick);
        if (market.terms(a).finalHash == truthAt(a, STEPS)) return;
        challengeAs(a, honest(CHALLENGER));
    }

    function anyPriority(uint256 pick) external timed {
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 g = someGame(pick % games.length + i);
            Player memory p = _players[g];
            bytes32 finalHash = stateAt(game.game(g).assertionId, p, STEPS);
            try game.claimPriority(g, finalHash, bytes32(p.noise)) {
                ++priorities;
                return;
            } catch {}
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
        countProof(g);
    }

    // rogues

    function rogueClaim(uint256 who, uint256 pick) external timed {
        claimTask(openTask(pick), rogue(who));
    }

    function rogueAssertion(uint256 pick, bool lie) external timed {
        for (uint256 i = 0; i < tasks.length; ++i) {
            bytes32 taskId = someTask(pick % tasks.length + i);
            ITaskMarket.Task memory t = market.task(taskId);
            if (t.status != ITaskMarket.TaskStatus.Claimed) continue;
            bytes memory output = lie ? new bytes(32) : trueOutput(taskId);
            vm.prank(t.executor);
            assertions.push(market.assertResult(taskId, t.attempt, output, false));
            return;
        }
    }

    function rogueExecution(uint256 who, uint256 pick) external timed {
        assertions.push(assertOutput(openTask(pick), rogue(who), new bytes(32)));
    }

    function rogueChallenge(uint256 who, uint256 pick, uint64 divergence, bool truthful) external timed {
        bytes32 a = openAssertion(pick);
        address challenger = rogue(who);
        if (market.terms(a).executor == challenger) challenger = rogue(who + 1);
        Player memory p = Player(challenger, truthful, divergence % STEPS, ++_salt);
        challengeAs(a, p);
    }

    function rogueOpening(uint256 pick) external timed {
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 g = someGame(pick % games.length + i);
            IDisputeGame.Game memory state = game.game(g);
            bool closed = state.status != IDisputeGame.GameStatus.Committed || state.deadline < _clock;
            if (closed || game.isVoided(state.assertionId) || state.challenger == CHALLENGER) continue;
            pass(1);
            openAs(state.assertionId, g, _players[g]);
            return;
        }
    }

    /// @dev The rogue whose turn it is plays a consistent trace, or a random segment and noise.
    function rogueMove(uint256 pick, uint256 segment, uint64 divergence, bool consistent) external timed {
        for (uint256 i = 0; i < games.length; ++i) {
            bytes32 g = someGame(pick % games.length + i);
            IDisputeGame.Game memory state = game.game(g);
            if (game.isVoided(state.assertionId) || state.deadline < _clock) continue;
            Player memory p = _players[g];
            if (state.status == IDisputeGame.GameStatus.ExecutorTurn) {
                p = Player(game.contest(state.assertionId).executor, false, divergence % STEPS, ++_salt);
            } else if (state.status != IDisputeGame.GameStatus.ChallengerTurn) {
                continue;
            } else if (!consistent) {
                p = Player(p.who, false, divergence % STEPS, ++_salt);
            }
            if (p.who == EXECUTOR || p.who == CHALLENGER) continue;
            if (consistent) playTurn(state.assertionId, g, p);
            else playSegment(state.assertionId, g, p, segment % boards[g].hashes.length);
            countProof(g);
            return;
        }
    }

    function rogueDemand(uint256 who, uint256 pick) external timed {
        bytes32 a = openAssertion(pick);
        vm.prank(rogue(who));
        market.demandReveal(a);
    }

    function rogueReveal(uint256 who, uint256 pick) external timed {
        revealAs(rogue(who), openAssertion(pick));
    }

    function withdraw(uint256 who, uint256 amount) external timed {
        address account = rogue(who);
        amount = bound(amount, 1, freeOf(account) / 4);
        vm.prank(account);
        vault.withdraw(amount);
    }

    function deposit(uint256 who) external timed {
        address account = rogue(who);
        uint256 amount = account.balance;
        vm.prank(account);
        vault.deposit{value: amount}();
    }

    // shared

    function challengeAs(bytes32 a, Player memory p) private {
        if (games.length == 60) return;
        bytes32 g = commitAs(a, p);
        games.push(g);
        _players[g] = p;
        committedAt[g] = _clock;
        bondOf[g] = game.game(g).bond;
    }

    function revealAs(address who, bytes32 a) private {
        bytes memory input = _inputs[market.assertion(a).taskId];
        vm.prank(who);
        market.reveal(a, input);
    }

    function countProof(bytes32 g) private {
        IDisputeGame.GameStatus status = game.game(g).status;
        if (status != IDisputeGame.GameStatus.Lost && status != IDisputeGame.GameStatus.Won) return;
        ++proofs;
    }

    function pass(uint256 seconds_) private {
        _clock += seconds_;
        vm.warp(_clock);
    }

    function someTask(uint256 pick) private view returns (bytes32) {
        return tasks[pick % tasks.length];
    }

    function openTask(uint256 pick) private view returns (bytes32 taskId) {
        for (uint256 i = 0; i < tasks.length; ++i) {
            taskId = someTask(pick % tasks.length + i);
            ITaskMarket.Task memory t = market.task(taskId);
            if (t.status == ITaskMarket.TaskStatus.Open && t.deadline >= _clock) return taskId;
        }
    }

    function openAssertion(uint256 pick) private view returns (bytes32 a) {
        for (uint256 i = 0; i < assertions.length; ++i) {
            a = someAssertion(pick % assertions.length + i);
            ITaskMarket.Terms memory t = market.terms(a);
            if (t.pending && t.windowEnd >= _clock && !game.isVoided(a)) return a;
        }
    }

    function someAssertion(uint256 pick) private view returns (bytes32) {
        return assertions[pick % assertions.length];
    }

    function someGame(uint256 pick) private view returns (bytes32) {
        return games[pick % games.length];
    }

    function rogue(uint256 i) public pure returns (address) {
        return address(uint160(0x7000 + (i % ROGUES)));
    }

    function accounts() external pure returns (address[] memory all) {
        all = new address[](ROGUES + 3);
        for (uint256 i = 0; i < ROGUES; ++i) all[i] = rogue(i);
        all[ROGUES] = EXECUTOR;
        all[ROGUES + 1] = CHALLENGER;
        all[ROGUES + 2] = REQUESTER;
    }

    function system() external view returns (address, address, address) {
        return (address(vault), address(market), address(game));
    }

    function counts() external view returns (uint256, uint256, uint256) {
        return (tasks.length, assertions.length, games.length);
    }

    function isTrue(bytes32 a) external view returns (bool) {
        return market.terms(a).finalHash == truthAt(a, STEPS);
    }
}
