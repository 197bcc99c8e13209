// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Requests, claims, assertions and their finality (docs/spec/dispute.md, "Life of a task").
interface ITaskMarket {
    enum TaskStatus {
        None,
        Open,
        Claimed,
        Asserted,
        Final,
        Refunded
    }

    enum AssertionStatus {
        None,
        Pending,
        Final,
        Slashed
    }

    enum DemandStatus {
        None,
        Open,
        Revealed,
        Closed
    }

    /// @dev `revealBaseFeeWei`: the highest base fee at which a demand's bond pays for the bytes.
    struct Constants {
        uint32 windowSeconds;
        uint32 assertSeconds;
        uint32 revealSeconds;
        uint16 claimPenaltyBps;
        uint64 revealBaseFeeWei;
    }

    /// @dev `carried`: whether the input is on chain from the start. It is no part of the task's id.
    struct TaskRequest {
        bytes32 programRoot;
        bytes32 inputRoot;
        uint32 iterations;
        uint96 fee;
        uint40 deadline;
        uint64 nonce;
        bool carried;
    }

    struct Task {
        address requester;
        uint40 deadline;
        uint32 iterations;
        TaskStatus status;
        bool inputAvailable;
        address executor;
        uint40 claimDeadline;
        uint32 attempt;
        uint96 fee;
        uint96 stake;
        bytes32 programRoot;
        bytes32 inputRoot;
    }

    struct Assertion {
        bytes32 taskId;
        bytes32 finalHash;
        address executor;
        uint40 windowEnd;
        AssertionStatus status;
        DemandStatus demand;
        uint40 revealDeadline;
        uint96 stake;
        address demander;
    }

    struct Terms {
        address executor;
        uint40 windowEnd;
        bool pending;
        bytes32 programRoot;
        uint32 iterations;
        uint64 steps;
        bytes32 initialHash;
        bytes32 finalHash;
    }

    error InvalidConstant(string name, uint256 value);
    error NotGuardian(address caller);
    error NotDeployer(address caller);
    error AlreadyInitialised();
    error RequestsPaused();
    error UnknownModel(bytes32 programRoot);
    error RunTooLong(uint256 steps);
    error IterationsOutOfRange(uint256 given, uint256 maximum);
    error DeadlinePassed(uint256 deadline, uint256 nowSeconds);
    error DeadlineNotPassed(uint256 deadline, uint256 nowSeconds);
    error TaskExists(bytes32 taskId);
    error InvalidSignature();
    error WrongSigner(address recovered, address requester);
    error WrongTaskStatus(bytes32 taskId, TaskStatus status);
    error WrongAssertionStatus(bytes32 assertionId, AssertionStatus status);
    error WrongDemandStatus(bytes32 assertionId, DemandStatus status);
    error StakeBelowFloor(uint256 stake, uint256 floor);
    error NotClaimant(address caller, address claimant);
    error WrongAttempt(uint256 given, uint256 current);
    error WrongInputLength(uint256 given, uint256 needed);
    error InputTooLarge(uint256 inputBytes, uint256 maximum);
    error WrongOutputLength(uint256 given, uint256 needed);
    error WrongInputRoot(bytes32 given, bytes32 needed);
    error InputAlreadyAvailable(bytes32 taskId);
    error DisputeNotClear(bytes32 assertionId);
    error NotVoided(bytes32 assertionId);
    error Voided(bytes32 assertionId);

    event Requested(
        bytes32 indexed taskId,
        bytes32 indexed programRoot,
        address indexed requester,
        bytes32 inputRoot,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce
    );
    event InputCarried(bytes32 indexed taskId, bytes input);
    event Claimed(
        bytes32 indexed taskId, address indexed executor, uint32 attempt, uint96 stake, uint40 claimDeadline
    );
    event ClaimExpired(bytes32 indexed taskId, address indexed executor, uint32 attempt, uint256 penalty);
    event Asserted(
        bytes32 indexed taskId,
        bytes32 indexed assertionId,
        address indexed executor,
        uint32 attempt,
        bytes32 outputRoot,
        bool halted,
        bytes32 finalHash,
        uint40 windowEnd,
        bytes output
    );
    event Finalised(
        bytes32 indexed taskId, bytes32 indexed assertionId, address indexed executor, uint96 fee
    );
    event Slashed(
        bytes32 indexed taskId,
        bytes32 indexed assertionId,
        address indexed executor,
        uint256 burned,
        uint256 reward
    );
    event FeeReclaimed(bytes32 indexed taskId, address indexed requester, uint96 fee);
    event RevealDemanded(bytes32 indexed assertionId, address indexed demander, uint40 revealDeadline);
    event Revealed(
        bytes32 indexed assertionId, bytes32 indexed taskId, address indexed revealer, uint40 windowEnd
    );
    event RevealTimedOut(bytes32 indexed assertionId, address indexed demander);
    event PausedSet(bool paused);

    /// @notice Request a run on an input that is named by its root alone. Sent ether is deposited for the caller first.
    function request(
        bytes32 programRoot,
        bytes32 inputRoot,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce
    ) external payable returns (bytes32 taskId);

    /// @notice Request a run and carry the input; the contract computes its root, and its availability is settled.
    function requestWithInput(
        bytes32 programRoot,
        bytes calldata input,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce
    ) external payable returns (bytes32 taskId);

    /// @notice Request a run that `requester` signed for (EIP-712); whoever sends it pays nothing but gas.
    /// @dev The fee comes out of the requester's free balance. The signature says whether `input` travels
    /// along, so that nobody who sees it can leave the bytes out; where it does not, `input` is empty.
    function requestSigned(
        address requester,
        TaskRequest calldata signed,
        bytes calldata input,
        bytes calldata signature
    ) external returns (bytes32 taskId);

    /// @notice Lock `stake` (at least the model's floor) and get `assertSeconds`, and a run's time, to assert a
    /// result alone.
    function claim(bytes32 taskId, uint96 stake) external payable returns (uint32 attempt);

    /// @notice Reopen a task whose claimant asserted nothing in time; part of its stake burns.
    function expireClaim(bytes32 taskId) external;

    /// @notice Assert the output of the claimed run. The contract computes the output root and the final state hash.
    function assertResult(bytes32 taskId, uint32 attempt, bytes calldata output, bool halted)
        external
        returns (bytes32 assertionId);

    /// @notice Pay the executor of an assertion that was not defeated.
    function finalise(bytes32 assertionId) external;

    /// @notice Burn three quarters of the stake behind an assertion that lost a game and reopen its task.
    function slash(bytes32 assertionId) external;

    /// @notice Release the fee of a task that nobody completed in time.
    function reclaimFee(bytes32 taskId) external;

    /// @notice Bond the demand that the input's bytes appear on chain.
    function demandReveal(bytes32 assertionId) external payable;

    /// @notice Answer a demand with the input; its bond pays the bytes at the block's base fee.
    function reveal(bytes32 assertionId, bytes calldata input) external;

    /// @notice Slash the executor of an assertion whose input was demanded and did not appear.
    function timeoutReveal(bytes32 assertionId) external;

    /// @notice Pause or resume new requests; nothing else ever pauses. Guardian only.
    function setPaused(bool paused_) external;

    /// @notice What a task is and where it stands.
    function task(bytes32 taskId) external view returns (Task memory);

    /// @notice What an assertion is and where it stands.
    function assertion(bytes32 assertionId) external view returns (Assertion memory);

    /// @notice What a game over this assertion is about: both ends of the trace, its length, the executor.
    function terms(bytes32 assertionId) external view returns (Terms memory);

    /// @notice The program that an assertion ran.
    function programOf(bytes32 assertionId) external view returns (bytes32 programRoot, uint32 iterations);

    /// @notice Bond of a demand in wei.
    function revealBondFor(bytes32 assertionId) external view returns (uint256);

    /// @notice What a slashed stake pays who proved it false; the rest burns.
    function rewardOf(uint256 stake) external pure returns (uint256);

    /// @notice The parameters fixed at deployment.
    function constants() external view returns (Constants memory);

    /// @notice Whether new requests are refused.
    function paused() external view returns (bool);
}
