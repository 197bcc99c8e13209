// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The k-ary dissection game over asserted results (docs/spec/dispute.md, "The game").
interface IDisputeGame {
    /// @dev Lost and Won are the challenger's view.
    enum GameStatus {
        None,
        Committed,
        ExecutorTurn,
        ChallengerTurn,
        Lost,
        Won
    }

    /// @dev `stepsPerClockSecond`: what a run adds to clocks, openings, claims and windows. `dissectionGas`, `proofGas`:
    /// what a move of an executor that wins is refunded at its block's base fee.
    struct Constants {
        uint16 arity;
        uint32 openSeconds;
        uint32 clockSeconds;
        uint32 graceSeconds;
        uint64 stepsPerClockSecond;
        uint96 bondBaseWei;
        uint96 bondPerDissectionWei;
        uint32 dissectionGas;
        uint32 proofGas;
    }

    /// @dev `start` and `length`: range of the last dissection. `deadline`: of the opening, then of the turn.
    /// `claim`: the commitment until the opening, then the final hash. `bond`: 0 once settled. `refund`: of the executor's
    /// moves, paid out of the bond of a challenger that loses.
    struct Game {
        uint64 start;
        uint64 length;
        uint40 deadline;
        uint24 executorClock;
        uint24 challengerClock;
        uint16 index;
        GameStatus status;
        bytes32 dissection;
        bytes32 claim;
        address challenger;
        uint96 bond;
        uint96 refund;
        bytes32 assertionId;
    }

    /// @dev `count`: commits ever; `unopened`, `open`: live games; `voidedAt`: 0 while the executor lost no game.
    struct Contest {
        address executor;
        uint16 unopened;
        uint16 open;
        uint16 count;
        uint40 voidedAt;
        bool rewarded;
        bytes32 candidate;
    }

    error InvalidConstant(string name, uint256 value);
    error NotMarket(address caller);
    error AssertionNotPending(bytes32 assertionId);
    error AssertionVoid(bytes32 assertionId);
    error AssertionNotVoid(bytes32 assertionId);
    error GameExists(bytes32 gameId);
    error WrongGameStatus(bytes32 gameId, GameStatus status);
    error NotMover(address caller, address mover);
    error DeadlinePassed(uint256 deadline, uint256 nowSeconds);
    error DeadlineNotPassed(uint256 deadline, uint256 nowSeconds);
    error BondAboveLimit(uint256 bond, uint256 limit);
    error OpenedInCommitBlock(uint256 committedAt);
    error WrongCommitment(bytes32 computed, bytes32 committed);
    error SameFinalHash(bytes32 finalHash);
    error SameEndHash(bytes32 endHash);
    error OnlyProofIsLegal(uint256 start);
    error OnlyDissectionIsLegal(uint256 start, uint256 length);
    error WrongHashCount(uint256 given, uint256 needed);
    error WrongPreState(bytes32 proved, bytes32 agreed);
    error WrongPostState(bytes32 proved, bytes32 claimed);
    error StepAgrees(bytes32 postHash);
    error NothingToSettle(bytes32 gameId);
    error OtherFinalHash(bytes32 given, bytes32 winners);
    error NotEarlier(uint256 index, uint256 candidateIndex);
    error NoReward(bytes32 assertionId);

    event ChallengeCommitted(
        bytes32 indexed assertionId,
        bytes32 indexed gameId,
        address indexed challenger,
        uint16 index,
        uint256 bond,
        uint40 openDeadline
    );
    event GameOpened(
        bytes32 indexed assertionId, bytes32 indexed gameId, address indexed challenger, bytes32 finalHash
    );
    event Dissected(
        bytes32 indexed gameId,
        bool indexed byChallenger,
        uint64 start,
        uint64 length,
        uint40 deadline,
        bytes32 startHash,
        bytes32[] hashes
    );
    event StepProved(
        bytes32 indexed gameId, bool indexed byChallenger, uint64 step, bytes32 preHash, bytes32 postHash
    );
    event TimedOut(bytes32 indexed gameId, bool indexed byChallenger);
    event CommitForfeited(bytes32 indexed gameId);
    event GameLost(bytes32 indexed assertionId, bytes32 indexed gameId);
    event AssertionVoided(bytes32 indexed assertionId, bytes32 indexed gameId);
    event GameSettled(bytes32 indexed gameId, uint256 refunded, uint256 paidToExecutor, uint256 burned);
    event PriorityClaimed(bytes32 indexed assertionId, bytes32 indexed gameId);
    event Rewarded(
        bytes32 indexed assertionId, bytes32 indexed gameId, address indexed challenger, uint256 reward
    );

    /// @notice Lock a bond behind the hash of a disagreement. Sent ether is deposited for the caller first.
    function commit(bytes32 assertionId, bytes32 commitment, uint256 maxBondWei)
        external
        payable
        returns (bytes32 gameId);

    /// @notice Open a committed game with the first dissection, over the whole trace.
    function open(bytes32 gameId, bytes32 salt, bytes32[] calldata hashes) external;

    /// @notice Open and decide a committed game over a trace of one step.
    function openWithProof(bytes32 gameId, bytes32 salt, bytes32 finalHash, bytes calldata proof) external;

    /// @notice Dissect a segment of the opponent's last dissection, with the same start and another end.
    function dissect(
        bytes32 gameId,
        uint256 segment,
        bytes32 startHash,
        bytes32 endHash,
        bytes32[] calldata siblings,
        bytes32[] calldata hashes
    ) external;

    /// @notice Prove that a one-step segment of the opponent's last dissection ends in a false state, and win.
    function prove(
        bytes32 gameId,
        uint256 segment,
        bytes32 startHash,
        bytes32 endHash,
        bytes32[] calldata siblings,
        bytes calldata proof
    ) external;

    /// @notice Decide a game against the player whose deadline passed.
    function timeout(bytes32 gameId) external;

    /// @notice Decide a commit that was not opened in time.
    function forfeit(bytes32 gameId) external;

    /// @notice Move the bond of a decided game to where it belongs.
    function settle(bytes32 gameId) external;

    /// @notice Replace the reward's candidate by an earlier committed game with the winner's final hash.
    function claimPriority(bytes32 gameId, bytes32 finalHash, bytes32 salt) external;

    /// @notice Pay the candidate its share of the slashed stake, slashing first when nobody has.
    function claimReward(bytes32 assertionId) external;

    /// @notice Void an assertion that was slashed for a missing input. Market only.
    function voidByMarket(bytes32 assertionId) external;

    /// @notice A game's state.
    function game(bytes32 gameId) external view returns (Game memory);

    /// @notice The state of all games over one assertion together.
    function contest(bytes32 assertionId) external view returns (Contest memory);

    /// @notice Whether no game stands in the way of the assertion's finality.
    function isClear(bytes32 assertionId) external view returns (bool);

    /// @notice Whether the assertion was defeated.
    function isVoided(bytes32 assertionId) external view returns (bool);

    /// @notice Bond of the next commit in wei.
    function bondFor(bytes32 assertionId) external view returns (uint256);

    /// @notice The most dissections that a game over `steps` steps has.
    function dissections(uint64 steps) external view returns (uint256);

    /// @notice What a run of `steps` steps adds to clocks, openings, claims and windows, in seconds.
    function runSeconds(uint64 steps) external view returns (uint256);

    /// @notice Each player's clock in seconds in a game over `steps` steps.
    function clockFor(uint64 steps) external view returns (uint256);

    /// @notice Whether a clock can count a run of `steps` steps; the market refuses others.
    function isCountable(uint64 steps) external view returns (bool);

    /// @notice Bound in seconds from a commit to a verdict that anyone can claim.
    function maxDisputeSeconds(uint64 steps) external view returns (uint256);

    /// @notice The parameters fixed at deployment.
    function constants() external view returns (Constants memory);
}
