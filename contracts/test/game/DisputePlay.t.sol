// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title Whole games: whoever states the truth wins, in no more dissections than the bound.
contract DisputePlayTest is GameFixture {
    function testFuzz_honest_challenger_defeats_a_lie_at_any_step(uint256 steps, uint256 where, uint256 arity) public {
        uint64 n = uint64(bound(steps, 2, 40_000_000));
        deploy(n, uint16(bound(arity, 2, 64)));
        bytes32 a = assertLie();
        bytes32 g = startGame(a, honest(CHALLENGER));
        uint256 moves = playOut(a, g, liar(EXECUTOR, uint64(bound(where, 0, n - 1))), honest(CHALLENGER));
        vm.assertTrue(game.isVoided(a), "the lie stands");
        vm.assertLe(moves, game.dissections(n), "too many moves");
        vm.assertEq(uint256(game.game(g).status), uint256(IDisputeGame.GameStatus.Won), "status");
    }

    function testFuzz_honest_executor_defeats_a_lying_challenger(uint256 steps, uint256 where, uint256 arity) public {
        uint64 n = uint64(bound(steps, 2, 40_000_000));
        deploy(n, uint16(bound(arity, 2, 64)));
        bytes32 a = assertTruth();
        Player memory cheat = liar(CHALLENGER, uint64(bound(where, 0, n - 1)));
        bytes32 g = startGame(a, cheat);
        uint256 moves = playOut(a, g, honest(EXECUTOR), cheat);
        vm.assertTrue(game.isClear(a), "the truth fell");
        vm.assertLe(moves, game.dissections(n), "too many moves");
        vm.assertEq(uint256(game.game(g).status), uint256(IDisputeGame.GameStatus.Lost), "status");
    }

    /// @dev The liar names segments and states hashes at random, whatever it stated before.
    function testFuzz_honest_side_defeats_random_play(uint256 steps, uint256 seed, bool executorLies) public {
        uint64 n = uint64(bound(steps, 2, 5_000_000));
        deploy(n, uint16(bound(seed >> 128, 2, 40)));
        bytes32 a = executorLies ? assertLie() : assertTruth();
        Player memory cheat = liar(executorLies ? EXECUTOR : CHALLENGER, 0);
        Player memory good = honest(executorLies ? CHALLENGER : EXECUTOR);
        bytes32 g = startGame(a, executorLies ? good : cheat);
        bool executorMoves = true;
        while (true) {
            IDisputeGame.GameStatus status = game.game(g).status;
            if (status != IDisputeGame.GameStatus.ExecutorTurn && status != IDisputeGame.GameStatus.ChallengerTurn) break;
            bool moved;
            if (executorMoves == executorLies) {
                seed = uint256(keccak256(abi.encode(seed)));
                cheat.noise = seed;
                cheat.divergence = uint64(seed % n);
                moved = playRandomly(a, g, cheat, seed);
            } else {
                moved = playTurn(a, g, good);
                vm.assertTrue(moved, "the honest side had no move");
            }
            if (!moved) {
                vm.warp(uint256(game.game(g).deadline) + 1);
                game.timeout(g);
            }
            executorMoves = !executorMoves;
        }
        vm.assertTrue(game.isVoided(a) == executorLies, "the liar won");
    }

    function playRandomly(bytes32 a, bytes32 g, Player memory cheat, uint256 seed) private returns (bool) {
        uint256 segment = seed % boards[g].hashes.length;
        (uint64 start, uint64 length,,,) = segmentOf(g, segment);
        // The end it states must differ from the opponent's, so it lies at least there.
        if (cheat.divergence >= start + length) cheat.divergence = start;
        return playSegment(a, g, cheat, segment);
    }
}
