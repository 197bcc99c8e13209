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
        vm.prank(who);
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

contract GameGasTest is GasMeter {
    uint64 private constant STEPS = 39_000_000;

    function test_gas_of_a_dispute_by_arity() public {
        uint16[8] memory arities = [uint16(8), 16, 24, 32, 36, 40, 48, 64];
        for (uint256 i = 0; i < arities.length; ++i) measure(arities[i]);
    }

    function measure(uint16 arity) private {
        deploy(STEPS, arity);
        uint256[4] memory g;
        uint256 total;
        bytes32 a = assertLie();
        Player memory good = honest(CHALLENGER);
        Player memory cheat = liar(EXECUTOR, STEPS - 2);
        bytes32 finalHash = truthAt(a, STEPS);
        bytes32 c = keccak256(abi.encode(a, CHALLENGER, finalHash, bytes32(good.noise)));
        total += transact(CHALLENGER, address(game), abi.encodeCall(game.commit, (a, c, 1 ether)));
        emit log_named_uint("commit", total);
        skip(12);
        bytes32 id = keccak256(abi.encode(a, CHALLENGER, c));
        bytes32[] memory hashes = dissectionOf(a, good, 0, STEPS);
        g[0] = transact(CHALLENGER, address(game), abi.encodeCall(game.open, (id, bytes32(good.noise), hashes)));
        total += g[0];
        boards[id] = Board(0, STEPS, truthAt(a, 0), hashes);
        while (!game.isVoided(a)) {
            skip(12);
            IDisputeGame.GameStatus status = game.game(id).status;
            Player memory p = status == IDisputeGame.GameStatus.ExecutorTurn ? cheat : good;
            uint256 segment = disputedSegment(a, id, p);
            (uint64 start, uint64 length, bytes32 h0, bytes32 h1, bytes32[] memory s) =
                segmentOf(id, segment < boards[id].hashes.length ? segment : 0);
            if (length > 1) {
                hashes = dissectionOf(a, p, start, length);
                uint256 move = transact(
                    p.who, address(game), abi.encodeCall(game.dissect, (id, segment, h0, h1, s, hashes))
                );
                if (move > g[1]) g[1] = move;
                total += move;
                boards[id] = Board(start, length, h0, hashes);
            } else if (p.honest) {
                g[2] = transact(
                    p.who, address(game), abi.encodeCall(game.prove, (id, segment, h0, h1, s, proofAt(a, start)))
                );
                total += g[2];
            } else {
                vm.warp(uint256(game.game(id).deadline) + 1);
                uint256 out = transact(ANYONE, address(game), abi.encodeCall(game.timeout, (id)));
                emit log_named_uint("timeout", out);
                total += out;
            }
        }
        skip(1 hours + 1);
        uint256 reward = transact(ANYONE, address(game), abi.encodeCall(game.claimReward, (a)));
        emit log_named_uint("slash and reward", reward);
        emit log_named_uint("arity", arity);
        emit log_named_uint("  dissections", game.dissections(STEPS));
        emit log_named_uint("  open", g[0]);
        emit log_named_uint("  dissect", g[1]);
        emit log_named_uint("  prove (toy step)", g[2]);
        emit log_named_uint("  dispute", total + reward);
    }
}
