// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {RequestSigner} from "./RequestSigner.sol";

/// @title What a random play has on its board: who plays, what exists, and what has happened so far.
abstract contract RandomBoard is RequestSigner {
    uint256 public constant ROGUES = 3;
    /// @dev At k = 4 some disputes take two dissections and some three, so that either side may be the one to prove.
    uint64 internal constant STEPS = 20;
    uint256 internal constant KEY = uint256(keccak256("signer"));
    /// @dev An honest requester that signs its requests and lets others send them.
    address public immutable signer = vm.addr(KEY);

    bytes32[] public tasks;
    bytes32[] public assertions;
    bytes32[] public games;
    mapping(bytes32 gameId => uint256 seconds_) public committedAt;
    mapping(bytes32 gameId => uint256 wei_) public bondOf;
    mapping(bytes32 gameId => uint256 wei_) public burnedBy;
    mapping(bytes32 taskId => bytes input) internal _inputs;
    mapping(bytes32 gameId => Player) internal _players;
    mapping(bytes32 assertionId => bool) private _halted;

    /// @dev What somebody was given less what it gave away, from outside the contracts.
    mapping(address who => int256 wei_) public gifts;
    mapping(string outcome => uint256 times) public reached;
    /// @dev What must never be possible, and was.
    string public breach;
    uint256 public honestFailures;
    uint256 public finals;
    uint256 public expiries;
    uint256 internal _salt;
    uint256 internal _clock = START;
    uint256 internal _baseFee = BASE_FEE;

    constructor() {
        deploy(STEPS, 4);
        registerRuns(STEPS, 2);
        for (uint256 i = 0; i < ROGUES; ++i) fund(rogue(i));
        fund(signer);
    }

    function taskDeadline() internal view override returns (uint40) {
        return uint40(_clock + 12 hours);
    }

    /// @dev A step takes a second, so that a run of two iterations has other windows and clocks.
    function gameConstants(uint16 arity) internal pure override returns (IDisputeGame.Constants memory c) {
        c = super.gameConstants(arity);
        c.stepsPerClockSecond = 1;
    }

    /// @dev A later call of a sequence may find the block's own time and fee again; the play keeps its own.
    modifier timed() {
        vm.warp(_clock);
        vm.fee(_baseFee);
        _;
    }

    function succeed() internal {
        ++reached[handlerName(msg.sig)];
    }

    function handlerName(bytes4 selector) public pure returns (string memory) {
        return string.concat("handler ", vm.toString(uint32(selector)));
    }

    function upkeepName(uint256 kind, bool paused) public pure returns (string memory) {
        return string.concat("upkeep ", vm.toString(kind), paused ? " while requests are stopped" : "");
    }

    function pass(uint256 seconds_) internal {
        _clock += seconds_;
        vm.warp(_clock);
    }

    /// @dev The base fee moves on with the time: up to 1,000 gwei, or next to nothing, or nothing.
    function passAt(uint256 seconds_, uint256 fee) internal {
        pass(seconds_);
        _baseFee = bound(fee, 0, 1000 gwei) >> (14 * ((fee >> 64) % 4));
        vm.fee(_baseFee);
    }

    // what happens

    /// @dev A claim that follows an expired one directly expires it.
    function claimTask(bytes32 taskId, address executor) internal override returns (uint32 attempt) {
        bool expired = market.task(taskId).status == ITaskMarket.TaskStatus.Claimed;
        attempt = super.claimTask(taskId, executor);
        if (expired) ++expiries;
    }

    function keepTask(bytes32 taskId) internal {
        if (market.paused()) breach = "a request was taken while requests were stopped";
        tasks.push(taskId);
        succeed();
    }

    function keepAssertion(bytes32 a, bool halted) internal {
        assertions.push(a);
        _halted[a] = halted;
        succeed();
    }

    function challengeAs(bytes32 a, Player memory p) internal {
        if (games.length == 60) return;
        bytes32 g = commitAs(a, p);
        games.push(g);
        _players[g] = p;
        committedAt[g] = _clock;
        bondOf[g] = game.game(g).bond;
        succeed();
    }

    function revealAs(address who, bytes32 a) internal {
        bytes memory input = _inputs[market.assertion(a).taskId];
        vm.prank(who, who);
        market.reveal(a, input);
    }

    function noteProof(bytes32 g) internal {
        IDisputeGame.Game memory state = game.game(g);
        bool won = state.status == IDisputeGame.GameStatus.Won;
        if (!won && state.status != IDisputeGame.GameStatus.Lost) return;
        ++reached["a proof"];
        if (state.start >= STEPS) ++reached["a proof in the second iteration"];
        if (won && state.challenger == CHALLENGER && _halted[state.assertionId]) {
            ++reached["a false halt that the honest challenger disproved"];
        }
    }

    function noteSettlement(bytes32 g, uint256 burned) internal {
        if (game.game(g).status != IDisputeGame.GameStatus.Lost) return;
        burnedBy[g] = burned;
        uint256 refund = bondOf[g] - burned;
        if (refund == 0) ++reached["a lost bond that burns whole"];
        else if (refund == bondOf[g] / 2) ++reached["a lost bond that refunds half"];
        else ++reached["a lost bond that refunds less than half"];
    }

    // what there is

    function someTask(uint256 pick) internal view returns (bytes32) {
        return tasks[pick % tasks.length];
    }

    /// @dev When nothing is open, something that is not: the contracts have to refuse it.
    function openTask(uint256 pick) internal view returns (bytes32 taskId) {
        for (uint256 i = 0; i < tasks.length; ++i) {
            taskId = someTask(pick % tasks.length + i);
            ITaskMarket.Task memory t = market.task(taskId);
            if (t.status == ITaskMarket.TaskStatus.Open && t.deadline >= _clock) return taskId;
        }
    }

    function expiredTask(uint256 pick) internal view returns (bytes32 taskId) {
        for (uint256 i = 0; i < tasks.length; ++i) {
            taskId = someTask(pick % tasks.length + i);
            ITaskMarket.Task memory t = market.task(taskId);
            bool expired = t.status == ITaskMarket.TaskStatus.Claimed && t.claimDeadline < _clock;
            if (expired && t.deadline >= _clock) return taskId;
        }
    }

    /// @dev When nothing is open, something that is not, as above.
    function openAssertion(uint256 pick) internal view returns (bytes32 a) {
        for (uint256 i = 0; i < assertions.length; ++i) {
            a = someAssertion(pick % assertions.length + i);
            ITaskMarket.Terms memory t = market.terms(a);
            if (t.pending && t.windowEnd >= _clock && !game.isVoided(a)) return a;
        }
    }

    function someAssertion(uint256 pick) internal view returns (bytes32) {
        return assertions[pick % assertions.length];
    }

    function someGame(uint256 pick) internal view returns (bytes32) {
        return games[pick % games.length];
    }

    function stepsOf(bytes32 a) internal view returns (uint64) {
        return market.terms(a).steps;
    }

    function isTrue(bytes32 a) public view returns (bool) {
        return market.terms(a).finalHash == truthAt(a, stepsOf(a));
    }

    // who there is

    function rogue(uint256 i) public pure returns (address) {
        return address(uint160(0x7000 + (i % ROGUES)));
    }

    function accounts() public view returns (address[] memory all) {
        all = new address[](ROGUES + 4);
        for (uint256 i = 0; i < ROGUES; ++i) all[i] = rogue(i);
        all[ROGUES] = EXECUTOR;
        all[ROGUES + 1] = CHALLENGER;
        all[ROGUES + 2] = REQUESTER;
        all[ROGUES + 3] = signer;
    }

    function someAccount(uint256 pick) internal view returns (address) {
        return accounts()[pick % (ROGUES + 4)];
    }

    function system() external view returns (address, address, address) {
        return (address(vault), address(market), address(game));
    }

    function counts() external view returns (uint256, uint256, uint256) {
        return (tasks.length, assertions.length, games.length);
    }
}
