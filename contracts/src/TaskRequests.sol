// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStakeManager} from "./interfaces/IStakeManager.sol";
import {ITaskMarket} from "./interfaces/ITaskMarket.sol";
import {MerkleLib} from "./libraries/MerkleLib.sol";
import {SignedRequestLib} from "./libraries/SignedRequestLib.sol";

/// @title Requests and their fees. What executors do with them is in TaskMarket.
abstract contract TaskRequests is ITaskMarket {
    uint256 public constant MAX_INPUT_BYTES = 262_144;

    IStakeManager public immutable vault;
    IModelRegistry public immutable registry;
    address public immutable guardian;
    IDisputeGame public game;

    bool public paused;

    mapping(bytes32 taskId => Task) internal _tasks;

    constructor(IStakeManager vault_, IModelRegistry registry_, address guardian_) {
        vault = vault_;
        registry = registry_;
        guardian = guardian_;
    }

    function request(
        bytes32 programRoot,
        bytes32 inputRoot,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce
    ) external payable returns (bytes32 taskId) {
        _requireModel(programRoot, iterations);
        _depositValue();
        taskId = _request(
            msg.sender, TaskRequest(programRoot, inputRoot, iterations, fee, deadline, nonce, false)
        );
    }

    function requestWithInput(
        bytes32 programRoot,
        bytes calldata input,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce
    ) external payable returns (bytes32 taskId) {
        bytes32 inputRoot = _rootOfInput(input, _requireModel(programRoot, iterations));
        _depositValue();
        taskId = _request(
            msg.sender, TaskRequest(programRoot, inputRoot, iterations, fee, deadline, nonce, true)
        );
        emit InputCarried(taskId, input);
    }

    function requestSigned(
        address requester,
        TaskRequest calldata signed,
        bytes calldata input,
        bytes calldata signature
    ) external returns (bytes32 taskId) {
        address signer = SignedRequestLib.signerOf(signed, signature);
        // A signature over other terms recovers to somebody else, who must not pay by accident.
        if (signer != requester) revert WrongSigner(signer, requester);
        uint256 needed = _requireModel(signed.programRoot, signed.iterations);
        if (signed.carried) {
            bytes32 root = _rootOfInput(input, needed);
            if (root != signed.inputRoot) revert WrongInputRoot(root, signed.inputRoot);
        } else if (input.length != 0) {
            revert WrongInputLength(input.length, 0);
        }
        taskId = _request(signer, signed);
        if (signed.carried) emit InputCarried(taskId, input);
    }

    function reclaimFee(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        if (t.status != TaskStatus.Open) revert WrongTaskStatus(taskId, t.status);
        if (block.timestamp <= t.deadline) revert DeadlineNotPassed(t.deadline, block.timestamp);
        t.status = TaskStatus.Refunded;
        emit FeeReclaimed(taskId, t.requester, t.fee);
        if (t.fee != 0) vault.unlock(t.requester, t.fee);
    }

    function setPaused(bool paused_) external {
        if (msg.sender != guardian) revert NotGuardian(msg.sender);
        paused = paused_;
        emit PausedSet(paused_);
    }

    function task(bytes32 taskId) external view returns (Task memory) {
        return _tasks[taskId];
    }

    /// @dev Deposit the sent ether for the caller, so that one transaction can pay and lock.
    function _depositValue() internal {
        if (msg.value != 0) vault.depositFor{value: msg.value}(msg.sender);
    }

    function _requireModel(bytes32 programRoot, uint32 iterations) private view returns (uint256 inputBytes) {
        IModelRegistry.ModelInfo memory info = registry.model(programRoot);
        if (!info.registered) revert UnknownModel(programRoot);
        if (iterations == 0 || iterations > info.maxIterations) {
            revert IterationsOutOfRange(iterations, info.maxIterations);
        }
        uint64 steps = uint64(iterations * info.stepsPerIteration);
        if (!game.isCountable(steps)) revert RunTooLong(steps);
        inputBytes = info.inputBytes;
        if (inputBytes > MAX_INPUT_BYTES) revert InputTooLarge(inputBytes, MAX_INPUT_BYTES);
    }

    function _rootOfInput(bytes calldata input, uint256 needed) private view returns (bytes32) {
        if (input.length != needed) revert WrongInputLength(input.length, needed);
        return MerkleLib.rootOfBytes(input);
    }

    function _request(address requester, TaskRequest memory r) private returns (bytes32 taskId) {
        if (paused) revert RequestsPaused();
        if (r.deadline <= block.timestamp) revert DeadlinePassed(r.deadline, block.timestamp);
        taskId = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                requester,
                r.nonce,
                r.programRoot,
                r.inputRoot,
                r.iterations,
                r.fee,
                r.deadline
            )
        );
        Task storage t = _tasks[taskId];
        if (t.status != TaskStatus.None) revert TaskExists(taskId);
        t.requester = requester;
        t.deadline = r.deadline;
        t.iterations = r.iterations;
        t.status = TaskStatus.Open;
        t.inputAvailable = r.carried;
        t.fee = r.fee;
        t.programRoot = r.programRoot;
        t.inputRoot = r.inputRoot;
        emit Requested(
            taskId, r.programRoot, requester, r.inputRoot, r.iterations, r.fee, r.deadline, r.nonce
        );
        if (r.fee != 0) vault.lock(requester, r.fee);
    }
}
