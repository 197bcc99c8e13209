// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The one vault: every wei of deposits, fees, stakes and bonds is here, in a ledger.
/// @notice The balance of the vault is at least the sum of all free and locked amounts and of what was burned. Owners take
/// free amounts out themselves; modules move ledger entries and never hold or send ether.
interface IStakeManager {
    error NotModule(address caller);
    error NotDeployer(address caller);
    error AlreadyInitialised();
    error ZeroModule();
    error ZeroAmount();
    error InsufficientFree(address account, uint256 free, uint256 needed);
    error InsufficientLocked(address account, uint256 locked, uint256 needed);
    error TransferFailed(address to, uint256 amount);

    event Deposited(address indexed account, uint256 amount);
    event Withdrawn(address indexed account, uint256 amount);
    event Locked(address indexed account, uint256 amount);
    event Unlocked(address indexed account, uint256 amount);
    event Paid(address indexed from, address indexed to, uint256 amount);
    event Burned(address indexed from, uint256 amount);

    /// @notice Credit the sent ether to the caller's free balance.
    function deposit() external payable;

    /// @notice Credit the sent ether to the free balance of `account`.
    function depositFor(address account) external payable;

    /// @notice Send `amount` of the caller's free balance to the caller.
    function withdraw(uint256 amount) external;

    /// @notice Move free wei of `who` to its locked balance. Modules only.
    function lock(address who, uint256 amount) external;

    /// @notice Move locked wei of `who` back to its free balance. Modules only.
    function unlock(address who, uint256 amount) external;

    /// @notice Move locked wei of `from` to the free balance of `to`. Modules only.
    function pay(address from, address to, uint256 amount) external;

    /// @notice Burn locked wei of `from`: they stay in the vault and no call moves them. Modules only.
    function burn(address from, uint256 amount) external;

    /// @notice The balances of `who` in wei.
    function account(address who) external view returns (uint128 free, uint128 locked);

    /// @notice Wei burned so far.
    function burned() external view returns (uint256);
}
