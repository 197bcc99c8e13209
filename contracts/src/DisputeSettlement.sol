// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IStakeManager} from "./interfaces/IStakeManager.sol";
import {ITaskMarket} from "./interfaces/ITaskMarket.sol";
import {DissectionLib} from "./libraries/DissectionLib.sol";

/// @title What follows from verdicts: bonds, priority and reward. The moves are in DisputeGame.
abstract contract DisputeSettlement is IDisputeGame {
    /// @dev One slot: everything that a move reads and writes but the dissection's commitment. `refund`: due to the
    /// executor if the challenger loses, in units of REFUND_UNIT.
    struct Turn {
        uint64 start;
        uint64 length;
        uint40 deadline;
        uint24 executorClock;
        uint24 challengerClock;
        uint16 index;
        uint16 refund;
        GameStatus status;
    }

    struct Entry {
        Turn turn;
        bytes32 dissection;
        bytes32 claim;
        address challenger;
        uint96 bond;
        bytes32 assertionId;
    }

    uint256 private constant MAX_CLOCK_SECONDS = type(uint24).max;
    uint256 private constant REFUND_UNIT = 1e12;

    IStakeManager public immutable vault;
    ITaskMarket public immutable market;

    uint256 internal immutable _arity;
    uint256 internal immutable _openSeconds;
    uint256 internal immutable _clockSeconds;
    uint256 internal immutable _graceSeconds;
    uint256 internal immutable _stepsPerClockSecond;
    uint256 internal immutable _bondBaseWei;
    uint256 internal immutable _bondPerDissectionWei;
    uint256 internal immutable _dissectionGas;
    uint256 internal immutable _proofGas;

    mapping(bytes32 gameId => Entry) internal _games;
    mapping(bytes32 assertionId => Contest) internal _contests;

    constructor(IStakeManager vault_, ITaskMarket market_, Constants memory c) {
        if (c.arity < 2 || c.arity > 256) revert InvalidConstant("arity", c.arity);
        if (c.openSeconds == 0) revert InvalidConstant("openSeconds", 0);
        if (c.clockSeconds == 0 || c.clockSeconds > MAX_CLOCK_SECONDS) {
            revert InvalidConstant("clockSeconds", c.clockSeconds);
        }
        if (c.graceSeconds == 0) revert InvalidConstant("graceSeconds", 0);
        if (c.stepsPerClockSecond == 0) revert InvalidConstant("stepsPerClockSecond", 0);
        // Below 2^64 even the bond of the last of 65,535 concurrent games fits 96 bits.
        if (c.bondBaseWei < 8 || c.bondBaseWei >= 1 << 64) revert InvalidConstant("bondBaseWei", c.bondBaseWei);
        if (c.bondPerDissectionWei >= 1 << 64) {
            revert InvalidConstant("bondPerDissectionWei", c.bondPerDissectionWei);
        }
        vault = vault_;
        market = market_;
        _arity = c.arity;
        _openSeconds = c.openSeconds;
        _clockSeconds = c.clockSeconds;
        _graceSeconds = c.graceSeconds;
        _stepsPerClockSecond = c.stepsPerClockSecond;
        _bondBaseWei = c.bondBaseWei;
        _bondPerDissectionWei = c.bondPerDissectionWei;
        _dissectionGas = c.dissectionGas;
        _proofGas = c.proofGas;
    }

    function settle(bytes32 gameId) external {
        Entry storage entry = _games[gameId];
        uint256 bond = entry.bond;
        Turn memory turn = entry.turn;
        Contest storage c = _contests[entry.assertionId];
        if (bond == 0) revert NothingToSettle(gameId);
        entry.bond = 0;
        address challenger = entry.challenger;
        if (turn.status == GameStatus.Lost) {
            uint256 refund = turn.refund * REFUND_UNIT;
            if (refund > bond / 2) refund = bond / 2;
            if (refund != 0) vault.pay(challenger, c.executor, refund);
            vault.burn(challenger, bond - refund);
            emit GameSettled(gameId, 0, refund, bond - refund);
        } else {
            if (!_isSpared(turn, c.voidedAt)) revert NothingToSettle(gameId);
            vault.unlock(challenger, bond);
            emit GameSettled(gameId, bond, 0, 0);
        }
    }

    function claimPriority(bytes32 gameId, bytes32 finalHash, bytes32 salt) external {
        Entry storage entry = _games[gameId];
        bytes32 assertionId = entry.assertionId;
        Contest storage c = _contests[assertionId];
        bytes32 candidate = c.candidate;
        if (candidate == 0) revert AssertionNotVoid(assertionId);
        uint256 until = c.voidedAt + _openSeconds;
        if (block.timestamp > until) revert DeadlinePassed(until, block.timestamp);
        Turn memory turn = entry.turn;
        if (!_isSpared(turn, c.voidedAt)) revert WrongGameStatus(gameId, turn.status);
        uint256 candidateIndex = _games[candidate].turn.index;
        if (turn.index >= candidateIndex) revert NotEarlier(turn.index, candidateIndex);
        bytes32 winners = _games[candidate].claim;
        if (finalHash != winners) revert OtherFinalHash(finalHash, winners);
        if (turn.status == GameStatus.Committed) {
            bytes32 computed = _commitmentOf(assertionId, entry.challenger, finalHash, salt);
            if (computed != entry.claim) revert WrongCommitment(computed, entry.claim);
            // A replaced candidate's claim is compared again, so an unopened one must hold the hash as well.
            entry.claim = finalHash;
            entry.turn.status = GameStatus.ExecutorTurn;
            emit GameOpened(assertionId, gameId, entry.challenger, finalHash);
        } else if (entry.claim != winners) {
            revert OtherFinalHash(entry.claim, winners);
        }
        c.candidate = gameId;
        emit PriorityClaimed(assertionId, gameId);
    }

    function claimReward(bytes32 assertionId) external {
        Contest storage c = _contests[assertionId];
        bytes32 candidate = c.candidate;
        if (candidate == 0 || c.rewarded) revert NoReward(assertionId);
        uint256 until = c.voidedAt + _openSeconds;
        if (block.timestamp <= until) revert DeadlineNotPassed(until, block.timestamp);
        c.rewarded = true;
        ITaskMarket.Assertion memory a = market.assertion(assertionId);
        if (a.status == ITaskMarket.AssertionStatus.Pending) market.slash(assertionId);
        Entry storage entry = _games[candidate];
        address challenger = entry.challenger;
        uint256 reward = market.rewardOf(a.stake);
        if (reward != 0) vault.pay(a.executor, challenger, reward);
        emit Rewarded(assertionId, candidate, challenger, reward);
        uint256 bond = entry.bond;
        if (bond != 0) {
            entry.bond = 0;
            vault.unlock(challenger, bond);
            emit GameSettled(candidate, bond, 0, 0);
        }
    }

    function voidByMarket(bytes32 assertionId) external {
        if (msg.sender != address(market)) revert NotMarket(msg.sender);
        Contest storage c = _contests[assertionId];
        if (c.voidedAt != 0) revert AssertionVoid(assertionId);
        c.voidedAt = uint40(block.timestamp);
        emit AssertionVoided(assertionId, 0);
    }

    function game(bytes32 gameId) external view returns (Game memory) {
        Entry memory e = _games[gameId];
        Turn memory t = e.turn;
        return Game({
            start: t.start,
            length: t.length,
            deadline: t.deadline,
            executorClock: t.executorClock,
            challengerClock: t.challengerClock,
            index: t.index,
            status: t.status,
            refund: uint96(t.refund * REFUND_UNIT),
            dissection: e.dissection,
            claim: e.claim,
            challenger: e.challenger,
            bond: e.bond,
            assertionId: e.assertionId
        });
    }

    function contest(bytes32 assertionId) external view returns (Contest memory) {
        return _contests[assertionId];
    }

    function isClear(bytes32 assertionId) external view returns (bool) {
        Contest storage c = _contests[assertionId];
        return c.unopened == 0 && c.open == 0 && c.voidedAt == 0;
    }

    function isVoided(bytes32 assertionId) external view returns (bool) {
        return _contests[assertionId].voidedAt != 0;
    }

    function bondFor(bytes32 assertionId) external view returns (uint256) {
        Contest storage c = _contests[assertionId];
        return _bondOf(market.terms(assertionId).steps, uint256(c.unopened) + c.open);
    }

    function dissections(uint64 steps) external view returns (uint256) {
        return DissectionLib.dissectionsOf(steps, _arity);
    }

    function runSeconds(uint64 steps) external view returns (uint256) {
        return _runSecondsOf(steps);
    }

    function clockFor(uint64 steps) external view returns (uint256) {
        return _clockOf(steps);
    }

    function isCountable(uint64 steps) external view returns (bool) {
        return _clockOf(steps) <= MAX_CLOCK_SECONDS;
    }

    function maxDisputeSeconds(uint64 steps) external view returns (uint256) {
        uint256 moves = DissectionLib.dissectionsOf(steps, _arity) * _graceSeconds;
        return _openSeconds + _runSecondsOf(steps) + 2 * _clockOf(steps) + moves;
    }

    function constants() external view returns (Constants memory) {
        return Constants({
            arity: uint16(_arity),
            openSeconds: uint32(_openSeconds),
            clockSeconds: uint32(_clockSeconds),
            graceSeconds: uint32(_graceSeconds),
            stepsPerClockSecond: uint64(_stepsPerClockSecond),
            bondBaseWei: uint96(_bondBaseWei),
            bondPerDissectionWei: uint96(_bondPerDissectionWei),
            dissectionGas: uint32(_dissectionGas),
            proofGas: uint32(_proofGas)
        });
    }

    /// @dev Whether a defeated assertion leaves this game without a loss: it won, was in play, or could still open.
    function _isSpared(Turn memory turn, uint256 voidedAt) internal pure returns (bool) {
        if (voidedAt == 0) return false;
        if (turn.status == GameStatus.Committed) return turn.deadline >= voidedAt;
        return turn.status == GameStatus.ExecutorTurn || turn.status == GameStatus.ChallengerTurn
            || turn.status == GameStatus.Won;
    }

    function _executorLost(bytes32 gameId, bytes32 assertionId, Contest storage c) internal {
        c.open -= 1;
        c.voidedAt = uint40(block.timestamp);
        c.candidate = gameId;
        emit AssertionVoided(assertionId, gameId);
    }

    function _challengerLost(bytes32 gameId, bytes32 assertionId, Contest storage c) internal {
        c.open -= 1;
        emit GameLost(assertionId, gameId);
    }

    function _bondOf(uint64 steps, uint256 live) internal view returns (uint256) {
        uint256 base = _bondBaseWei + _bondPerDissectionWei * DissectionLib.dissectionsOf(steps, _arity);
        return (base * (8 + live)) / 8;
    }

    function _runSecondsOf(uint256 steps) internal view returns (uint256) {
        return steps / _stepsPerClockSecond;
    }

    function _clockOf(uint256 steps) internal view returns (uint256) {
        return _clockSeconds + _runSecondsOf(steps);
    }

    /// @dev Count what a move cost the executor, at today's base fee. What a unit leaves over is not worth a slot.
    function _refund(Turn memory turn, uint256 gas) internal view {
        uint256 due = turn.refund + (gas * block.basefee) / REFUND_UNIT;
        turn.refund = due > type(uint16).max ? type(uint16).max : uint16(due);
    }

    function _commitmentOf(bytes32 assertionId, address challenger, bytes32 finalHash, bytes32 salt)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(assertionId, challenger, finalHash, salt));
    }
}
