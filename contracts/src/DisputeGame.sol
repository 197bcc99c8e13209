// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeSettlement} from "./DisputeSettlement.sol";
import {IOneStepProof} from "./interfaces/IOneStepProof.sol";
import {IStakeManager} from "./interfaces/IStakeManager.sol";
import {ITaskMarket} from "./interfaces/ITaskMarket.sol";
import {DissectionLib} from "./libraries/DissectionLib.sol";

/// @title The moves of the dissection game.
contract DisputeGame is DisputeSettlement {
    IOneStepProof public immutable oneStepProof;

    constructor(IStakeManager vault_, ITaskMarket market_, IOneStepProof oneStepProof_, Constants memory c)
        DisputeSettlement(vault_, market_, c)
    {
        oneStepProof = oneStepProof_;
    }

    function commit(bytes32 assertionId, bytes32 commitment, uint256 maxBondWei)
        external
        payable
        returns (bytes32 gameId)
    {
        ITaskMarket.Terms memory t = market.terms(assertionId);
        Contest storage c = _contests[assertionId];
        if (!t.pending) revert AssertionNotPending(assertionId);
        if (c.voidedAt != 0) revert AssertionVoid(assertionId);
        if (block.timestamp > t.windowEnd) revert DeadlinePassed(t.windowEnd, block.timestamp);
        gameId = keccak256(abi.encode(assertionId, msg.sender, commitment));
        Entry storage entry = _games[gameId];
        if (entry.turn.status != GameStatus.None) revert GameExists(gameId);
        uint256 bond = _bondOf(t.steps, uint256(c.unopened) + c.open);
        if (bond > maxBondWei) revert BondAboveLimit(bond, maxBondWei);

        uint16 index = c.count;
        c.executor = t.executor;
        c.count = index + 1;
        c.unopened += 1;
        uint40 openDeadline = uint40(block.timestamp + _openSeconds + _runSecondsOf(t.steps));
        entry.turn = Turn(0, 0, openDeadline, 0, 0, index, 0, GameStatus.Committed);
        entry.claim = commitment;
        entry.challenger = msg.sender;
        entry.bond = uint96(bond);
        entry.assertionId = assertionId;
        emit ChallengeCommitted(assertionId, gameId, msg.sender, index, bond, openDeadline);

        if (msg.value != 0) vault.depositFor{value: msg.value}(msg.sender);
        vault.lock(msg.sender, bond);
    }

    function open(bytes32 gameId, bytes32 salt, bytes32[] calldata hashes) external {
        Entry storage entry = _games[gameId];
        ITaskMarket.Terms memory t = market.terms(entry.assertionId);
        if (t.steps == 1) revert OnlyProofIsLegal(0);
        uint256 parts = DissectionLib.partsOf(t.steps, _arity);
        if (hashes.length != parts) revert WrongHashCount(hashes.length, parts);
        bytes32 finalHash = hashes[parts - 1];
        Turn memory turn = _beginOpening(gameId, entry, salt, finalHash, t);

        // The market takes no task whose clock is longer than a clock's type.
        uint256 clock = _clockOf(t.steps);
        turn.length = t.steps;
        turn.executorClock = uint24(clock);
        turn.challengerClock = uint24(clock);
        turn.status = GameStatus.ExecutorTurn;
        turn.deadline = uint40(block.timestamp + _graceSeconds + clock);
        entry.turn = turn;
        entry.dissection = DissectionLib.commitmentOf(t.initialHash, hashes);
        emit Dissected(gameId, true, 0, t.steps, turn.deadline, t.initialHash, hashes);
    }

    function openWithProof(bytes32 gameId, bytes32 salt, bytes32 finalHash, bytes calldata proof) external {
        Entry storage entry = _games[gameId];
        bytes32 assertionId = entry.assertionId;
        ITaskMarket.Terms memory t = market.terms(assertionId);
        if (t.steps != 1) revert OnlyDissectionIsLegal(0, t.steps);
        Turn memory turn = _beginOpening(gameId, entry, salt, finalHash, t);

        (bytes32 preHash, bytes32 postHash) = oneStepProof.prove(t.programRoot, t.iterations, 0, proof);
        if (preHash != t.initialHash) revert WrongPreState(preHash, t.initialHash);
        if (postHash != finalHash) revert WrongPostState(postHash, finalHash);
        turn.length = 1;
        turn.status = GameStatus.Won;
        entry.turn = turn;
        emit StepProved(gameId, true, 0, preHash, postHash);
        _executorLost(gameId, assertionId, _contests[assertionId]);
    }

    function dissect(
        bytes32 gameId,
        uint256 segment,
        bytes32 startHash,
        bytes32 endHash,
        bytes32[] calldata siblings,
        bytes32[] calldata hashes
    ) external {
        Entry storage entry = _games[gameId];
        (Turn memory turn,) = _beginMove(gameId, entry);
        _enterSegment(turn, entry.dissection, segment, startHash, endHash, siblings);
        if (turn.length == 1) revert OnlyProofIsLegal(turn.start);
        uint256 parts = DissectionLib.partsOf(turn.length, _arity);
        if (hashes.length != parts) revert WrongHashCount(hashes.length, parts);
        if (hashes[parts - 1] == endHash) revert SameEndHash(endHash);

        bool byChallenger = turn.status == GameStatus.ChallengerTurn;
        _passTurn(turn, byChallenger);
        entry.turn = turn;
        entry.dissection = DissectionLib.commitmentOf(startHash, hashes);
        emit Dissected(gameId, byChallenger, turn.start, turn.length, turn.deadline, startHash, hashes);
    }

    function prove(
        bytes32 gameId,
        uint256 segment,
        bytes32 startHash,
        bytes32 endHash,
        bytes32[] calldata siblings,
        bytes calldata proof
    ) external {
        Entry storage entry = _games[gameId];
        (Turn memory turn, Contest storage c) = _beginMove(gameId, entry);
        _enterSegment(turn, entry.dissection, segment, startHash, endHash, siblings);
        if (turn.length != 1) revert OnlyDissectionIsLegal(turn.start, turn.length);
        bytes32 assertionId = entry.assertionId;
        (bytes32 programRoot, uint32 iterations) = market.programOf(assertionId);
        (bytes32 preHash, bytes32 postHash) = oneStepProof.prove(programRoot, iterations, turn.start, proof);
        if (preHash != startHash) revert WrongPreState(preHash, startHash);
        if (postHash == endHash) revert StepAgrees(postHash);

        bool byChallenger = turn.status == GameStatus.ChallengerTurn;
        emit StepProved(gameId, byChallenger, turn.start, preHash, postHash);
        if (!byChallenger) _refund(turn, _proofGas);
        _decide(gameId, entry, turn, c, byChallenger);
    }

    function timeout(bytes32 gameId) external {
        Entry storage entry = _games[gameId];
        Turn memory turn = entry.turn;
        Contest storage c = _requireInPlay(gameId, entry, turn);
        if (block.timestamp <= turn.deadline) revert DeadlineNotPassed(turn.deadline, block.timestamp);
        bool byChallenger = turn.status == GameStatus.ChallengerTurn;
        emit TimedOut(gameId, byChallenger);
        _decide(gameId, entry, turn, c, !byChallenger);
    }

    function forfeit(bytes32 gameId) external {
        Entry storage entry = _games[gameId];
        Turn memory turn = entry.turn;
        bytes32 assertionId = entry.assertionId;
        Contest storage c = _contests[assertionId];
        if (turn.status != GameStatus.Committed) revert WrongGameStatus(gameId, turn.status);
        if (block.timestamp <= turn.deadline) revert DeadlineNotPassed(turn.deadline, block.timestamp);
        // A commit that could still open when the assertion fell is spared, not forfeited.
        if (_isSpared(turn, c.voidedAt)) revert AssertionVoid(assertionId);
        turn.status = GameStatus.Lost;
        _refund(turn, _dissectionGas);
        entry.turn = turn;
        c.unopened -= 1;
        emit CommitForfeited(gameId);
        emit GameLost(assertionId, gameId);
    }

    /// @dev Check everything that both kinds of opening share, and count the game as open.
    function _beginOpening(
        bytes32 gameId,
        Entry storage entry,
        bytes32 salt,
        bytes32 finalHash,
        ITaskMarket.Terms memory t
    ) private returns (Turn memory turn) {
        turn = entry.turn;
        bytes32 assertionId = entry.assertionId;
        Contest storage c = _contests[assertionId];
        if (turn.status != GameStatus.Committed) revert WrongGameStatus(gameId, turn.status);
        if (c.voidedAt != 0) revert AssertionVoid(assertionId);
        if (msg.sender != entry.challenger) revert NotMover(msg.sender, entry.challenger);
        if (block.timestamp > turn.deadline) revert DeadlinePassed(turn.deadline, block.timestamp);
        uint256 committedAt = turn.deadline - _openSeconds - _runSecondsOf(t.steps);
        if (block.timestamp <= committedAt) revert OpenedInCommitBlock(committedAt);
        if (finalHash == t.finalHash) revert SameFinalHash(finalHash);
        bytes32 computed = _commitmentOf(assertionId, msg.sender, finalHash, salt);
        if (computed != entry.claim) revert WrongCommitment(computed, entry.claim);
        entry.claim = finalHash;
        c.unopened -= 1;
        c.open += 1;
        emit GameOpened(assertionId, gameId, msg.sender, finalHash);
    }

    /// @dev Check that the game is in play, that it is the caller's turn, and that there is time left.
    function _beginMove(bytes32 gameId, Entry storage entry)
        private
        view
        returns (Turn memory turn, Contest storage c)
    {
        turn = entry.turn;
        c = _requireInPlay(gameId, entry, turn);
        address mover = turn.status == GameStatus.ChallengerTurn ? entry.challenger : c.executor;
        if (msg.sender != mover) revert NotMover(msg.sender, mover);
        if (block.timestamp > turn.deadline) revert DeadlinePassed(turn.deadline, block.timestamp);
    }

    function _requireInPlay(bytes32 gameId, Entry storage entry, Turn memory turn)
        private
        view
        returns (Contest storage c)
    {
        if (turn.status != GameStatus.ExecutorTurn && turn.status != GameStatus.ChallengerTurn) {
            revert WrongGameStatus(gameId, turn.status);
        }
        c = _contests[entry.assertionId];
        if (c.voidedAt != 0) revert AssertionVoid(entry.assertionId);
    }

    /// @dev Check the named segment against the opponent's dissection and narrow `turn` to it.
    function _enterSegment(
        Turn memory turn,
        bytes32 dissection,
        uint256 segment,
        bytes32 startHash,
        bytes32 endHash,
        bytes32[] calldata siblings
    ) private view {
        uint256 parts = DissectionLib.partsOf(turn.length, _arity);
        DissectionLib.checkSegment(dissection, parts, segment, startHash, endHash, siblings);
        (uint256 start, uint256 length) = DissectionLib.segmentRange(turn.start, turn.length, parts, segment);
        // A part of a range of uint64 steps is one.
        turn.start = uint64(start);
        turn.length = uint64(length);
    }

    /// @dev Charge the mover's clock and start the opponent's turn.
    function _passTurn(Turn memory turn, bool byChallenger) private view {
        // What is left until the deadline is the clock once the grace is used up, and more than the clock before that.
        uint256 left = turn.deadline - block.timestamp;
        uint256 opponentClock;
        if (byChallenger) {
            if (left < turn.challengerClock) turn.challengerClock = uint24(left);
            opponentClock = turn.executorClock;
            turn.status = GameStatus.ExecutorTurn;
        } else {
            if (left < turn.executorClock) turn.executorClock = uint24(left);
            opponentClock = turn.challengerClock;
            _refund(turn, _dissectionGas);
            turn.status = GameStatus.ChallengerTurn;
        }
        turn.deadline = uint40(block.timestamp + _graceSeconds + opponentClock);
    }

    function _decide(
        bytes32 gameId,
        Entry storage entry,
        Turn memory turn,
        Contest storage c,
        bool challengerWins
    ) private {
        turn.status = challengerWins ? GameStatus.Won : GameStatus.Lost;
        entry.turn = turn;
        if (challengerWins) _executorLost(gameId, entry.assertionId, c);
        else _challengerLost(gameId, entry.assertionId, c);
    }
}
