// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStakeManager} from "./interfaces/IStakeManager.sol";
import {ITaskMarket} from "./interfaces/ITaskMarket.sol";
import {MerkleLib} from "./libraries/MerkleLib.sol";

/// @title Requests and their fees. What executors do with them is in TaskMarket.
abstract contract TaskRequests is ITaskMarket {
    uint256 public constant MAX_INPUT_BYTES = 262_144;

    IStakeManager public immutable vault;
    IModelRegistry public immutable registry;
    address public immutable guardian;

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
        taskId = _request(programRoot, inputRoot, iterations, fee, deadline, nonce, false);
    }

    function requestWithInput(
        bytes32 programRoot,
        bytes calldata input,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce
    ) external payable returns (bytes32 taskId) {
        uint256 needed = _requireModel(programRoot, iterations);
        if (input.length != needed) revert WrongInputLength(input.length, needed);
        bytes32 inputRoot = MerkleLib.rootOfBytes(input);
        taskId = _request(programRoot, inputRoot, iterations, fee, deadline, nonce, true);
        emit InputCarried(taskId, input);
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
        inputBytes = info.inputBytes;
        if (inputBytes > MAX_INPUT_BYTES) revert InputTooLarge(inputBytes, MAX_INPUT_BYTES);
    }

    function _request(
        bytes32 programRoot,
        bytes32 inputRoot,
        uint32 iterations,
        uint96 fee,
        uint40 deadline,
        uint64 nonce,
        bool carried
    ) private returns (bytes32 taskId) {
        if (paused) revert RequestsPaused();
        if (deadline <= block.timestamp) revert DeadlinePassed(deadline, block.timestamp);
        taskId = keccak256(
            abi.encode(
                block.chainid,
                address(this),
                msg.sender,
                nonce,
                programRoot,
                inputRoot,
                iterations,
                fee,
                deadline
            )
        );
        Task storage t = _tasks[taskId];
        if (t.status != TaskStatus.None) revert TaskExists(taskId);
        t.requester = msg.sender;
        t.deadline = deadline;
        t.iterations = iterations;
        t.status = TaskStatus.Open;
        t.inputAvailable = carried;
        t.fee = fee;
        t.programRoot = programRoot;
        t.inputRoot = inputRoot;
        emit Requested(taskId, programRoot, msg.sender, inputRoot, iterations, fee, deadline, nonce);
        _depositValue();
        if (fee != 0) vault.lock(msg.sender, fee);
    }
}
