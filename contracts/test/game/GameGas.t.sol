// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title What a transaction costs, as the chain bills it (EIP-7623), with nothing warm.
abstract contract GasMeter is GameFixture {
    function transact(address who, address target, bytes memory data) internal returns (uint256 gas_) {
        vm.cool(address(game));
        vm.cool(address(market));
        vm.cool(address(vault));
        vm.cool(address(registry));
        vm.cool(address(verifier));
        // The target of a transaction is warm.
        target.balance;
        vm.prank(who, who);
        uint256 before = gasleft();
        (bool success, bytes memory why) = target.call(data);
        uint256 execution = before - gasleft();
        if (!success) {
            assembly ("memory-safe") {
                revert(add(why, 32), mload(why))
            }
        }
        return billed(data, execution);
    }

    function billed(bytes memory data, uint256 execution) internal pure returns (uint256) {
        uint256 tokens = 0;
        for (uint256 i = 0; i < data.length; ++i) tokens += data[i] == 0 ? 1 : 4;
        uint256 standard = 21_000 + 4 * tokens + execution;
        uint256 floor = 21_000 + 10 * tokens;
        return standard > floor ? standard : floor;
    }
}

/// @dev A dispute as it is billed, for each arity; the figures of docs/adr/0003-dissection-commitments.md.
contract DisputeCostTest is GasMeter {
    uint64 private constant STEPS = 39_000_000;

    struct Cost {
        uint256 open;
        uint256 dissect;
        uint256 prove;
        uint256 total;
        uint256 transactions;
    }

    function test_cost_of_a_dispute_by_arity() public {
        uint16[8] memory arities = [uint16(8), 16, 24, 32, 36, 40, 48, 64];
        for (uint256 i = 0; i < arities.length; ++i) {
            Cost memory cost = disputeOf(arities[i]);
            emit log_named_uint("arity", arities[i]);
            emit log_named_uint("  dissections", game.dissections(STEPS));
            emit log_named_uint("  open", cost.open);
            emit log_named_uint("  dissect", cost.dissect);
            emit log_named_uint("  prove (toy step)", cost.prove);
            emit log_named_uint("  dispute", cost.total);
            emit log_named_uint("  transactions", cost.transactions);
            // The toy's proof is small; a real one is billed at most 300,000.
            vm.assertLe(cost.total - cost.prove + 300_000, 1_500_000, "gas of a dispute");
            // Request, claim and assertion come on top.
            vm.assertLe(cost.transactions + 3, 16, "transactions of a dispute");
        }
    }

    /// @dev From the assertion to the reward, forced to the deepest level.
    function disputeOf(uint16 arity) private returns (Cost memory cost) {
        deploy(STEPS, arity);
        bytes32 a = assertLie();
        Player memory good = honest(CHALLENGER);
        Player memory cheat = liar(EXECUTOR, STEPS - 2);
        bytes32 c = keccak256(abi.encode(a, CHALLENGER, truthAt(a, STEPS), bytes32(good.noise)));
        add(cost, transact(CHALLENGER, address(game), abi.encodeCall(game.commit, (a, c, 1 ether))));
        skip(12);
        bytes32 id = keccak256(abi.encode(a, CHALLENGER, c));
        bytes32[] memory hashes = dissectionOf(a, good, 0, STEPS);
        cost.open = transact(CHALLENGER, address(game), abi.encodeCall(game.open, (id, bytes32(good.noise), hashes)));
        add(cost, cost.open);
        boards[id] = Board(0, STEPS, truthAt(a, 0), hashes);
        while (!game.isVoided(a)) {
            skip(12);
            bool executors = game.game(id).status == IDisputeGame.GameStatus.ExecutorTurn;
            move(cost, a, id, executors ? cheat : good);
        }
        skip(1 hours + 1);
        add(cost, transact(ANYONE, address(game), abi.encodeCall(game.claimReward, (a))));
    }

    function move(Cost memory cost, bytes32 a, bytes32 id, Player memory p) private {
        uint256 segment = disputedSegment(a, id, p);
        if (segment == boards[id].hashes.length) segment = 0;
        (uint64 start, uint64 length, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(id, segment);
        if (length > 1) {
            bytes32[] memory hashes = dissectionOf(a, p, start, length);
            bytes memory data = abi.encodeCall(game.dissect, (id, segment, h0, h1, s, hashes));
            uint256 gas_ = transact(p.who, address(game), data);
            if (gas_ > cost.dissect) cost.dissect = gas_;
            boards[id] = Board(start, length, h0, hashes);
            add(cost, gas_);
        } else if (p.honest) {
            bytes memory data = abi.encodeCall(game.prove, (id, segment, h0, h1, s, proofAt(a, start)));
            cost.prove = transact(p.who, address(game), data);
            add(cost, cost.prove);
        } else {
            vm.warp(uint256(game.game(id).deadline) + 1);
            add(cost, transact(ANYONE, address(game), abi.encodeCall(game.timeout, (id))));
        }
    }

    function add(Cost memory cost, uint256 gas_) private pure {
        cost.total += gas_;
        ++cost.transactions;
    }
}

/// @dev One transaction a test, for the gas snapshot; nothing else happens inside the tests.
contract GameGasTest is GasMeter {
    uint64 private constant STEPS = 39_000_000;
    bytes32 private openTask;
    bytes32 private claimedTask;
    bytes32 private truth;
    bytes32 private lie;
    bytes32 private committed;
    bytes32 private opened;
    bytes32 private narrowed;
    bytes32 private lost;
    bytes private dissectCall;
    bytes private openCall;
    bytes private proveCall;
    bytes private output;

    function setUp() public {
        deploy(STEPS, 36);
        openTask = newTask();
        claimedTask = newTask();
        output = trueOutput(claimedTask);
        claimTask(claimedTask, EXECUTOR);
        truth = assertTruth();
        lie = assertLie();
        Player memory good = honest(CHALLENGER);
        opened = startGame(lie, good);
        (uint64 start, uint64 length, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(opened, 35);
        bytes32[] memory hashes = dissectionOf(lie, liar(EXECUTOR, STEPS - 2), start, length);
        dissectCall = abi.encodeCall(game.dissect, (opened, 35, h0, h1, s, hashes));
        good.noise = 1;
        committed = commitAs(lie, good);
        hashes = dissectionOf(lie, good, 0, STEPS);
        openCall = abi.encodeCall(game.open, (committed, bytes32(good.noise), hashes));
        lost = commitAs(lie, liar(CHALLENGER, 0));
        prepareProof(assertTruth());
        vm.warp(uint256(game.game(lost).deadline) - 1);
    }

    function prepareProof(bytes32 a) private {
        Player memory cheat = liar(CHALLENGER, STEPS - 2);
        narrowed = startGame(a, cheat);
        while (true) {
            bool executors = game.game(narrowed).status == IDisputeGame.GameStatus.ExecutorTurn;
            Player memory p = executors ? honest(EXECUTOR) : cheat;
            uint256 i = disputedSegment(a, narrowed, p);
            (uint64 start, uint64 length, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(narrowed, i);
            if (length == 1) {
                proveCall = abi.encodeCall(game.prove, (narrowed, i, h0, h1, s, proofAt(a, start)));
                return;
            }
            playTurn(a, narrowed, p);
        }
    }

    function send(address who, bytes memory data) private {
        vm.prank(who);
        (bool success,) = address(game).call(data);
        vm.assertTrue(success, "reverted");
    }

    function test_gas_request() public {
        vm.prank(REQUESTER);
        market.request(PROGRAM, "root", 1, FEE, uint40(START + 1 days), 77);
    }

    function test_gas_claim() public {
        vm.prank(EXECUTOR);
        market.claim(openTask, STAKE);
    }

    function test_gas_assert_result() public {
        vm.warp(START + 30 minutes);
        vm.prank(EXECUTOR);
        market.assertResult(claimedTask, 1, output, false);
    }

    function test_gas_finalise() public {
        vm.warp(START + 7 hours);
        market.finalise(truth);
    }

    function test_gas_commit() public {
        vm.prank(CHALLENGER);
        game.commit(lie, "commitment", 1 ether);
    }

    function test_gas_open() public {
        send(CHALLENGER, openCall);
    }

    function test_gas_dissect() public {
        send(EXECUTOR, dissectCall);
    }

    function test_gas_prove_toy_step() public {
        send(EXECUTOR, proveCall);
    }

    function test_gas_timeout() public {
        vm.warp(START + 1 days);
        game.timeout(opened);
    }

    function test_gas_forfeit() public {
        skip(2);
        game.forfeit(lost);
    }

    function test_gas_settle_a_lost_game() public {
        send(EXECUTOR, proveCall);
        game.settle(narrowed);
    }

    function test_gas_claim_reward_with_slash() public {
        vm.warp(START + 1 days);
        game.timeout(opened);
        vm.warp(START + 2 days);
        game.claimReward(lie);
    }
}
