// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaskRequests} from "./TaskRequests.sol";
import {IDisputeGame} from "./interfaces/IDisputeGame.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IStakeManager} from "./interfaces/IStakeManager.sol";
import {CarriageLib} from "./libraries/CarriageLib.sol";
import {MerkleLib} from "./libraries/MerkleLib.sol";
import {StateLib} from "./libraries/StateLib.sol";

/// @title Claims, assertions, reveal demands and finality.
contract TaskMarket is TaskRequests {
    uint256 private constant BPS = 10_000;

    address private immutable _deployer;
    uint256 private immutable _windowSeconds;
    uint256 private immutable _assertSeconds;
    uint256 private immutable _revealSeconds;
    uint256 private immutable _claimPenaltyBps;
    uint256 private immutable _revealBaseFeeWei;

    mapping(bytes32 assertionId => Assertion) private _assertions;

    constructor(IStakeManager vault_, IModelRegistry registry_, address guardian_, Constants memory c)
        TaskRequests(vault_, registry_, guardian_)
    {
        if (c.windowSeconds == 0) revert InvalidConstant("windowSeconds", 0);
        if (c.assertSeconds == 0) revert InvalidConstant("assertSeconds", 0);
        if (c.revealSeconds == 0) revert InvalidConstant("revealSeconds", 0);
        if (c.claimPenaltyBps == 0 || c.claimPenaltyBps > BPS) {
            revert InvalidConstant("claimPenaltyBps", c.claimPenaltyBps);
        }
        if (c.revealBaseFeeWei == 0) revert InvalidConstant("revealBaseFeeWei", 0);
        _deployer = msg.sender;
        _windowSeconds = c.windowSeconds;
        _assertSeconds = c.assertSeconds;
        _revealSeconds = c.revealSeconds;
        _claimPenaltyBps = c.claimPenaltyBps;
        _revealBaseFeeWei = c.revealBaseFeeWei;
    }

    /// @notice Name the dispute game, once. After that the deployer has no power here.
    function initialise(IDisputeGame game_) external {
        if (msg.sender != _deployer) revert NotDeployer(msg.sender);
        if (address(game) != address(0)) revert AlreadyInitialised();
        if (address(game_) == address(0)) revert InvalidConstant("game", 0);
        game = game_;
    }

    function claim(bytes32 taskId, uint96 stake) external payable returns (uint32 attempt) {
        Task storage t = _tasks[taskId];
        if (t.status == TaskStatus.Claimed && block.timestamp > t.claimDeadline) _expireClaim(taskId, t);
        if (t.status != TaskStatus.Open) revert WrongTaskStatus(taskId, t.status);
        if (block.timestamp > t.deadline) revert DeadlinePassed(t.deadline, block.timestamp);
        IModelRegistry.ModelInfo memory info = registry.model(t.programRoot);
        uint256 floor = info.minimumStake;
        if (stake == 0 || stake < floor) revert StakeBelowFloor(stake, floor);
        uint256 until = block.timestamp + _assertSeconds + game.runSeconds(_stepsOf(t, info));
        if (until > t.deadline) until = t.deadline;
        attempt = t.attempt + 1;
        t.status = TaskStatus.Claimed;
        t.executor = msg.sender;
        t.claimDeadline = uint40(until);
        t.attempt = attempt;
        t.stake = stake;
        emit Claimed(taskId, msg.sender, attempt, stake, uint40(until));
        _depositValue();
        vault.lock(msg.sender, stake);
    }

    function expireClaim(bytes32 taskId) external {
        Task storage t = _tasks[taskId];
        if (t.status != TaskStatus.Claimed) revert WrongTaskStatus(taskId, t.status);
        if (block.timestamp <= t.claimDeadline) revert DeadlineNotPassed(t.claimDeadline, block.timestamp);
        _expireClaim(taskId, t);
    }

    function assertResult(bytes32 taskId, uint32 attempt, bytes calldata output, bool halted)
        external
        returns (bytes32 assertionId)
    {
        Task storage t = _tasks[taskId];
        if (t.status != TaskStatus.Claimed) revert WrongTaskStatus(taskId, t.status);
        if (msg.sender != t.executor) revert NotClaimant(msg.sender, t.executor);
        if (attempt != t.attempt) revert WrongAttempt(attempt, t.attempt);
        if (block.timestamp > t.claimDeadline) revert DeadlinePassed(t.claimDeadline, block.timestamp);
        IModelRegistry.ModelInfo memory info = registry.model(t.programRoot);
        if (output.length != info.outputBytes) revert WrongOutputLength(output.length, info.outputBytes);
        bytes32 outputRoot = MerkleLib.rootOfBytes(output);
        assertionId = keccak256(abi.encode(taskId, attempt, msg.sender, outputRoot, halted));
        uint64 steps = _stepsOf(t, info);
        uint40 windowEnd = _windowFromNow(steps);

        Assertion storage a = _assertions[assertionId];
        a.taskId = taskId;
        a.finalHash = StateLib.finalState(info, outputRoot, steps, halted);
        a.executor = msg.sender;
        a.windowEnd = windowEnd;
        a.status = AssertionStatus.Pending;
        a.stake = t.stake;
        t.status = TaskStatus.Asserted;
        emit Asserted(
            taskId, assertionId, msg.sender, attempt, outputRoot, halted, a.finalHash, windowEnd, output
        );
    }

    function finalise(bytes32 assertionId) external {
        Assertion storage a = _requirePending(assertionId);
        if (block.timestamp <= a.windowEnd) revert DeadlineNotPassed(a.windowEnd, block.timestamp);
        if (a.demand == DemandStatus.Open) revert WrongDemandStatus(assertionId, DemandStatus.Open);
        if (!game.isClear(assertionId)) revert DisputeNotClear(assertionId);
        bytes32 taskId = a.taskId;
        address executor = a.executor;
        Task storage t = _tasks[taskId];
        uint96 fee = t.fee;
        a.status = AssertionStatus.Final;
        t.status = TaskStatus.Final;
        emit Finalised(taskId, assertionId, executor, fee);
        vault.unlock(executor, a.stake);
        if (fee != 0) vault.pay(t.requester, executor, fee);
    }

    function slash(bytes32 assertionId) external {
        Assertion storage a = _requirePending(assertionId);
        if (!game.isVoided(assertionId)) revert NotVoided(assertionId);
        bool demanded = a.demand == DemandStatus.Open;
        if (demanded) a.demand = DemandStatus.Closed;
        _slash(assertionId, a);
        if (demanded) vault.unlock(a.demander, _revealBondOf(a.taskId));
    }

    function demandReveal(bytes32 assertionId) external payable {
        Assertion storage a = _requirePending(assertionId);
        if (block.timestamp > a.windowEnd) revert DeadlinePassed(a.windowEnd, block.timestamp);
        if (_tasks[a.taskId].inputAvailable) revert InputAlreadyAvailable(a.taskId);
        if (a.demand != DemandStatus.None) revert WrongDemandStatus(assertionId, a.demand);
        uint40 until = uint40(block.timestamp + _revealSeconds);
        a.demand = DemandStatus.Open;
        a.revealDeadline = until;
        a.demander = msg.sender;
        emit RevealDemanded(assertionId, msg.sender, until);
        _depositValue();
        vault.lock(msg.sender, _revealBondOf(a.taskId));
    }

    function reveal(bytes32 assertionId, bytes calldata input) external {
        Assertion storage a = _requirePending(assertionId);
        if (a.demand != DemandStatus.Open) revert WrongDemandStatus(assertionId, a.demand);
        if (block.timestamp > a.revealDeadline) revert DeadlinePassed(a.revealDeadline, block.timestamp);
        bytes32 taskId = a.taskId;
        Task storage t = _tasks[taskId];
        IModelRegistry.ModelInfo memory info = registry.model(t.programRoot);
        uint256 needed = info.inputBytes;
        if (input.length != needed) revert WrongInputLength(input.length, needed);
        bytes32 root = MerkleLib.rootOfBytes(input);
        if (root != t.inputRoot) revert WrongInputRoot(root, t.inputRoot);
        uint40 windowEnd = _windowFromNow(_stepsOf(t, info));
        a.demand = DemandStatus.Revealed;
        a.windowEnd = windowEnd;
        t.inputAvailable = true;
        emit InputCarried(taskId, input);
        emit Revealed(assertionId, taskId, msg.sender, windowEnd);
        // Paid by what the bytes take: were it the whole bond, whoever hides inputs would earn from every demand.
        uint256 bond = CarriageLib.mostGasOf(needed) * _revealBaseFeeWei;
        uint256 gas = CarriageLib.isWholeTransaction() ? CarriageLib.gasOf(input) : CarriageLib.leastGasOf(needed);
        uint256 paid = gas * block.basefee;
        if (paid > bond) paid = bond;
        vault.pay(a.demander, msg.sender, paid);
        vault.unlock(a.demander, bond - paid);
    }

    function timeoutReveal(bytes32 assertionId) external {
        Assertion storage a = _requirePending(assertionId);
        if (a.demand != DemandStatus.Open) revert WrongDemandStatus(assertionId, a.demand);
        if (block.timestamp <= a.revealDeadline) revert DeadlineNotPassed(a.revealDeadline, block.timestamp);
        if (game.isVoided(assertionId)) revert Voided(assertionId);
        address demander = a.demander;
        a.demand = DemandStatus.Closed;
        game.voidByMarket(assertionId);
        emit RevealTimedOut(assertionId, demander);
        uint256 reward = _slash(assertionId, a);
        vault.unlock(demander, _revealBondOf(a.taskId));
        if (reward != 0) vault.pay(a.executor, demander, reward);
    }

    function assertion(bytes32 assertionId) external view returns (Assertion memory) {
        return _assertions[assertionId];
    }

    function terms(bytes32 assertionId) external view returns (Terms memory) {
        Assertion storage a = _assertions[assertionId];
        if (a.status == AssertionStatus.None) revert WrongAssertionStatus(assertionId, AssertionStatus.None);
        Task storage t = _tasks[a.taskId];
        IModelRegistry.ModelInfo memory info = registry.model(t.programRoot);
        return Terms({
            executor: a.executor,
            windowEnd: a.windowEnd,
            pending: a.status == AssertionStatus.Pending,
            programRoot: t.programRoot,
            iterations: t.iterations,
            steps: _stepsOf(t, info),
            initialHash: StateLib.initialState(info, t.inputRoot),
            finalHash: a.finalHash
        });
    }

    function programOf(bytes32 assertionId) external view returns (bytes32 programRoot, uint32 iterations) {
        Task storage t = _tasks[_assertions[assertionId].taskId];
        return (t.programRoot, t.iterations);
    }

    function constants() external view returns (Constants memory) {
        return Constants({
            windowSeconds: uint32(_windowSeconds),
            assertSeconds: uint32(_assertSeconds),
            revealSeconds: uint32(_revealSeconds),
            claimPenaltyBps: uint16(_claimPenaltyBps),
            revealBaseFeeWei: uint64(_revealBaseFeeWei)
        });
    }

    function revealBondFor(bytes32 assertionId) external view returns (uint256) {
        return _revealBondOf(_assertions[assertionId].taskId);
    }

    function rewardOf(uint256 stake) public pure returns (uint256) {
        return stake / 4;
    }

    function _windowFromNow(uint64 steps) private view returns (uint40) {
        return uint40(block.timestamp + _windowSeconds + game.runSeconds(steps));
    }

    function _revealBondOf(bytes32 taskId) private view returns (uint256) {
        return CarriageLib.mostGasOf(registry.model(_tasks[taskId].programRoot).inputBytes) * _revealBaseFeeWei;
    }

    /// @dev The registry bounds the product below 2^63.
    function _stepsOf(Task storage t, IModelRegistry.ModelInfo memory info) private view returns (uint64) {
        return uint64(t.iterations * info.stepsPerIteration);
    }

    function _requirePending(bytes32 assertionId) private view returns (Assertion storage a) {
        a = _assertions[assertionId];
        if (a.status != AssertionStatus.Pending) revert WrongAssertionStatus(assertionId, a.status);
    }

    function _expireClaim(bytes32 taskId, Task storage t) private {
        address executor = t.executor;
        uint256 stake = t.stake;
        // Rounded up, so that the smallest stake loses something too.
        uint256 penalty = (stake * _claimPenaltyBps + BPS - 1) / BPS;
        t.status = TaskStatus.Open;
        emit ClaimExpired(taskId, executor, t.attempt, penalty);
        vault.burn(executor, penalty);
        if (stake != penalty) vault.unlock(executor, stake - penalty);
    }

    /// @dev Burn three quarters of the stake, leave the rest locked for the winner and reopen the task.
    function _slash(bytes32 assertionId, Assertion storage a) private returns (uint256 reward) {
        uint256 stake = a.stake;
        reward = rewardOf(stake);
        a.status = AssertionStatus.Slashed;
        _tasks[a.taskId].status = TaskStatus.Open;
        emit Slashed(a.taskId, assertionId, a.executor, stake - reward, reward);
        vault.burn(a.executor, stake - reward);
    }
}
