// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStakeManager} from "./interfaces/IStakeManager.sol";

/// @title The vault. What each function promises is in IStakeManager.
contract StakeManager is IStakeManager {
    struct Account {
        uint128 free;
        uint128 locked;
    }

    address private immutable _deployer;

    mapping(address who => Account) private _accounts;
    uint256 public burned;
    address public market;
    address public game;

    constructor() {
        _deployer = msg.sender;
    }

    modifier onlyModule() {
        if (msg.sender != game && msg.sender != market) revert NotModule(msg.sender);
        _;
    }

    /// @notice Name the two modules, once. After that the deployer has no power here.
    function initialise(address market_, address game_) external {
        if (msg.sender != _deployer) revert NotDeployer(msg.sender);
        if (market != address(0)) revert AlreadyInitialised();
        if (market_ == address(0) || game_ == address(0)) revert ZeroModule();
        market = market_;
        game = game_;
    }

    function deposit() external payable {
        _credit(msg.sender);
    }

    function depositFor(address who) external payable {
        _credit(who);
    }

    function withdraw(uint256 amount) external {
        if (amount == 0) revert ZeroAmount();
        Account storage entry = _accounts[msg.sender];
        uint256 free = entry.free;
        if (free < amount) revert InsufficientFree(msg.sender, free, amount);
        // The narrowing keeps the value: amount <= free < 2^128.
        entry.free = uint128(free - amount);
        emit Withdrawn(msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert TransferFailed(msg.sender, amount);
    }

    function lock(address who, uint256 amount) external onlyModule {
        Account memory entry = _accounts[who];
        if (entry.free < amount) revert InsufficientFree(who, entry.free, amount);
        entry.free -= uint128(amount);
        entry.locked += uint128(amount);
        _accounts[who] = entry;
        emit Locked(who, amount);
    }

    function unlock(address who, uint256 amount) external onlyModule {
        Account memory entry = _accounts[who];
        if (entry.locked < amount) revert InsufficientLocked(who, entry.locked, amount);
        entry.locked -= uint128(amount);
        entry.free += uint128(amount);
        _accounts[who] = entry;
        emit Unlocked(who, amount);
    }

    function pay(address from, address to, uint256 amount) external onlyModule {
        _takeLocked(from, amount);
        _accounts[to].free += uint128(amount);
        emit Paid(from, to, amount);
    }

    function burn(address from, uint256 amount) external onlyModule {
        _takeLocked(from, amount);
        burned += amount;
        emit Burned(from, amount);
    }

    function account(address who) external view returns (uint128 free, uint128 locked) {
        Account memory entry = _accounts[who];
        return (entry.free, entry.locked);
    }

    function _credit(address who) private {
        if (msg.value == 0) revert ZeroAmount();
        // The narrowing keeps the value: no chain holds 2^128 wei.
        _accounts[who].free += uint128(msg.value);
        emit Deposited(who, msg.value);
    }

    function _takeLocked(address from, uint256 amount) private {
        uint256 locked = _accounts[from].locked;
        if (locked < amount) revert InsufficientLocked(from, locked, amount);
        _accounts[from].locked = uint128(locked - amount);
    }
}
