// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StakeManager} from "../../src/StakeManager.sol";
import {IStakeManager} from "../../src/interfaces/IStakeManager.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title Tries to withdraw twice from inside its own withdrawal.
contract Reenterer {
    StakeManager private immutable _vault;
    bytes4 public caught;

    constructor(StakeManager vault_) payable {
        _vault = vault_;
        vault_.deposit{value: msg.value}();
    }

    function attack(uint256 amount) external {
        _vault.withdraw(amount);
    }

    receive() external payable {
        try _vault.withdraw(msg.value) {}
        catch (bytes memory why) {
            caught = bytes4(why);
        }
    }
}

/// @title Accepts no ether.
contract Refuser {
    function take(StakeManager vault, uint256 amount) external {
        vault.withdraw(amount);
    }
}

contract StakeManagerTest is GameFixture {
    function setUp() public {
        deploy(1000, 4);
    }

    function test_deposit_and_withdraw_move_the_same_wei() public {
        vm.deal(ANYONE, 3 ether);
        vm.prank(ANYONE);
        vault.deposit{value: 2 ether}();
        vm.prank(ANYONE);
        vault.withdraw(0.5 ether);
        vm.assertEq(freeOf(ANYONE), 1.5 ether, "free");
        vm.assertEq(ANYONE.balance, 1.5 ether, "balance");
    }

    function test_withdrawal_of_more_than_free_is_refused() public {
        vm.expectRevert(abi.encodeWithSelector(IStakeManager.InsufficientFree.selector, ANYONE, 0, 1));
        vm.prank(ANYONE);
        vault.withdraw(1);
    }

    function test_withdrawal_of_locked_stake_is_refused() public {
        claimTask(newTask(), EXECUTOR);
        uint256 free = freeOf(EXECUTOR);
        vm.prank(EXECUTOR);
        vault.withdraw(free);
        vm.expectPartialRevert(IStakeManager.InsufficientFree.selector);
        vm.prank(EXECUTOR);
        vault.withdraw(1);
        vm.assertEq(lockedOf(EXECUTOR), STAKE, "locked");
    }

    function test_only_modules_move_the_ledger() public {
        bytes4 refused = IStakeManager.NotModule.selector;
        vm.expectPartialRevert(refused);
        vault.lock(EXECUTOR, 1);
        vm.expectPartialRevert(refused);
        vault.unlock(EXECUTOR, 1);
        vm.expectPartialRevert(refused);
        vault.pay(EXECUTOR, ANYONE, 1);
        vm.expectPartialRevert(refused);
        vault.burn(EXECUTOR, 1);
    }

    function test_modules_cannot_move_more_than_is_locked() public {
        bytes4 refused = IStakeManager.InsufficientLocked.selector;
        vm.prank(address(market));
        vm.expectPartialRevert(refused);
        vault.unlock(EXECUTOR, 1);
        vm.prank(address(market));
        vm.expectPartialRevert(refused);
        vault.pay(EXECUTOR, ANYONE, 1);
        vm.prank(address(game));
        vm.expectPartialRevert(refused);
        vault.burn(EXECUTOR, 1);
    }

    function test_wiring_happens_once_and_by_the_deployer_alone() public {
        vm.expectPartialRevert(IStakeManager.AlreadyInitialised.selector);
        vault.initialise(address(1), address(2));
        vm.prank(ANYONE);
        vm.expectPartialRevert(IStakeManager.NotDeployer.selector);
        vault.initialise(address(1), address(2));
        StakeManager fresh = new StakeManager();
        vm.expectPartialRevert(IStakeManager.ZeroModule.selector);
        fresh.initialise(address(1), address(0));
    }

    function test_zero_amounts_are_refused() public {
        vm.expectPartialRevert(IStakeManager.ZeroAmount.selector);
        vault.deposit();
        vm.expectPartialRevert(IStakeManager.ZeroAmount.selector);
        vault.withdraw(0);
    }

    function test_a_reentrant_withdrawal_gets_nothing_more() public {
        vm.deal(address(this), 1 ether);
        Reenterer thief = new Reenterer{value: 1 ether}(vault);
        thief.attack(1 ether);
        vm.assertEq(address(thief).balance, 1 ether, "loot");
        vm.assertTrue(thief.caught() == IStakeManager.InsufficientFree.selector, "the second withdrawal passed");
    }

    function test_a_receiver_that_refuses_ether_keeps_its_balance() public {
        Refuser refuser = new Refuser();
        vm.deal(address(this), 1 ether);
        vault.depositFor{value: 1 ether}(address(refuser));
        vm.expectPartialRevert(IStakeManager.TransferFailed.selector);
        refuser.take(vault, 1 ether);
        vm.assertEq(freeOf(address(refuser)), 1 ether, "free");
    }
}
