// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../../src/DisputeGame.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {DissectionLib} from "../../src/libraries/DissectionLib.sol";
import {DissectionTree} from "../toy/DissectionTree.sol";
import {GameFixture} from "./GameFixture.sol";

/// @title One rule a test: what is a legal commit, opening, dissection, proof, timeout.
contract DisputeGameTest is GameFixture {
    uint64 private constant STEPS = 1000;
    bytes32 private lie;

    function setUp() public {
        deploy(STEPS, 5);
        lie = assertLie();
    }

    // commits and openings

    function test_commit_after_the_window_is_refused() public {
        skip(6 hours + 1);
        vm.expectPartialRevert(IDisputeGame.DeadlinePassed.selector);
        this.commitExternally(lie, "c");
    }

    function test_commit_in_the_last_second_still_holds_the_assertion() public {
        skip(6 hours);
        bytes32 g = commitAs(lie, honest(CHALLENGER));
        skip(1 hours);
        vm.expectRevert();
        market.finalise(lie);
        openAs(lie, g, honest(CHALLENGER));
        playOut(lie, g, liar(EXECUTOR, 700), honest(CHALLENGER));
        vm.assertTrue(game.isVoided(lie), "the lie stands");
    }

    function test_commit_to_an_unknown_or_final_assertion_is_refused() public {
        vm.expectRevert();
        this.commitExternally("nothing", "c");
        bytes32 a = assertTruth();
        skip(6 hours + 1);
        market.finalise(a);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.AssertionNotPending.selector, a));
        this.commitExternally(a, "c");
    }

    function commitExternally(bytes32 a, bytes32 c) external returns (bytes32) {
        vm.prank(CHALLENGER);
        return game.commit(a, c, 1 ether);
    }

    function test_same_commit_twice_is_refused() public {
        commitAs(lie, honest(CHALLENGER));
        bytes32 salt = bytes32(honest(CHALLENGER).noise);
        bytes32 commitment = keccak256(abi.encode(lie, CHALLENGER, truthAt(lie, STEPS), salt));
        vm.expectPartialRevert(IDisputeGame.GameExists.selector);
        this.commitExternally(lie, commitment);
    }

    function test_bond_grows_by_an_eighth_per_live_game() public {
        uint256 base = 0.02 ether + 0.005 ether * game.dissections(STEPS);
        for (uint256 j = 0; j < 20; ++j) {
            vm.assertEq(game.bondFor(lie), base * (8 + j) / 8, "bond");
            bytes32 g = commitHash(lie, CHALLENGER, bytes32(j), bytes32(j));
            vm.assertEq(game.game(g).bond, base * (8 + j) / 8, "locked bond");
            vm.assertEq(game.game(g).index, j, "index");
        }
        vm.expectPartialRevert(IDisputeGame.BondAboveLimit.selector);
        vm.prank(CHALLENGER);
        game.commit(lie, "c", base);
    }

    function test_opening_in_the_commit_block_is_refused() public {
        bytes32 g = commitAs(lie, honest(CHALLENGER));
        vm.expectPartialRevert(IDisputeGame.OpenedInCommitBlock.selector);
        this.openExternally(g, honest(CHALLENGER));
    }

    function openExternally(bytes32 g, Player memory p) external {
        bytes32[] memory hashes = dissectionOf(lie, p, 0, STEPS);
        vm.prank(p.who);
        game.open(g, bytes32(p.noise), hashes);
    }

    function test_opening_too_late_is_refused_and_forfeits() public {
        bytes32 g = commitAs(lie, honest(CHALLENGER));
        skip(1 hours);
        vm.expectPartialRevert(IDisputeGame.DeadlineNotPassed.selector);
        game.forfeit(g);
        skip(1);
        vm.expectPartialRevert(IDisputeGame.DeadlinePassed.selector);
        this.openExternally(g, honest(CHALLENGER));
        game.forfeit(g);
        uint256 bond = game.game(g).bond;
        game.settle(g);
        vm.assertEq(vault.burned(), bond - 1660e12, "burned");
        vm.assertEq(freeOf(EXECUTOR), 1000 ether - STAKE + 1660e12, "executor");
        vm.assertTrue(game.isClear(lie), "still blocked");
        vm.expectPartialRevert(IDisputeGame.WrongGameStatus.selector);
        game.forfeit(g);
    }

    function test_a_copied_commitment_cannot_be_opened() public {
        Player memory p = honest(CHALLENGER);
        bytes32 c = keccak256(abi.encode(lie, CHALLENGER, truthAt(lie, STEPS), bytes32(p.noise)));
        fund(ANYONE);
        vm.prank(ANYONE);
        bytes32 g = game.commit(lie, c, 1 ether);
        skip(12);
        p.who = ANYONE;
        vm.expectPartialRevert(IDisputeGame.WrongCommitment.selector);
        this.openExternally(g, p);
    }

    function test_only_the_committer_opens() public {
        bytes32 g = commitAs(lie, honest(CHALLENGER));
        skip(12);
        Player memory p = honest(CHALLENGER);
        p.who = ANYONE;
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMover.selector, ANYONE, CHALLENGER));
        this.openExternally(g, p);
    }

    function test_opening_that_agrees_with_the_assertion_is_refused() public {
        bytes32 asserted = market.terms(lie).finalHash;
        bytes32 g = commitHash(lie, CHALLENGER, asserted, "s");
        skip(12);
        bytes32[] memory hashes = dissectionOf(lie, liar(EXECUTOR, 0), 0, STEPS);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.SameFinalHash.selector, asserted));
        vm.prank(CHALLENGER);
        game.open(g, "s", hashes);
    }

    function test_opening_with_another_number_of_hashes_is_refused() public {
        bytes32 g = commitAs(lie, honest(CHALLENGER));
        skip(12);
        for (uint256 n = 0; n < 9; ++n) {
            if (n == 5) continue;
            vm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongHashCount.selector, n, 5));
            vm.prank(CHALLENGER);
            game.open(g, 0, new bytes32[](n));
        }
    }

    // moves

    function test_only_the_mover_moves() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMover.selector, CHALLENGER, EXECUTOR));
        this.playExternally(g, honest(CHALLENGER), 0);
        playTurn(lie, g, liar(EXECUTOR, 500));
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.NotMover.selector, EXECUTOR, CHALLENGER));
        this.playExternally(g, liar(EXECUTOR, 0), 0);
    }

    function playExternally(bytes32 g, Player memory p, uint256 segment) external returns (bool) {
        return playSegment(lie, g, p, segment);
    }

    function test_a_move_at_its_deadline_is_legal_and_a_second_later_it_is_not() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        vm.warp(game.game(g).deadline);
        vm.expectPartialRevert(IDisputeGame.DeadlineNotPassed.selector);
        game.timeout(g);
        playTurn(lie, g, liar(EXECUTOR, 500));
        vm.warp(uint256(game.game(g).deadline) + 1);
        vm.expectPartialRevert(IDisputeGame.DeadlinePassed.selector);
        this.playExternally(g, honest(CHALLENGER), 2);
        game.timeout(g);
        vm.assertEq(uint256(game.game(g).status), uint256(IDisputeGame.GameStatus.Lost), "status");
    }

    function test_a_move_inside_the_grace_costs_no_clock() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        uint256 clock = game.game(g).executorClock;
        skip(10 minutes);
        playTurn(lie, g, liar(EXECUTOR, 500));
        vm.assertEq(game.game(g).executorClock, clock, "executor clock");
        skip(10 minutes + 77);
        playTurn(lie, g, honest(CHALLENGER));
        vm.assertEq(game.game(g).challengerClock, clock - 77, "challenger clock");
        vm.assertEq(game.game(g).deadline, this.nowSeconds() + 10 minutes + clock, "deadline");
    }

    function test_dissection_with_the_same_end_is_refused() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        (uint64 start, uint64 length, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, 2);
        bytes32[] memory hashes = dissectionOf(lie, honest(EXECUTOR), start, length);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.SameEndHash.selector, h1));
        vm.prank(EXECUTOR);
        game.dissect(g, 2, h0, h1, s, hashes);
    }

    function test_dissection_with_another_number_of_parts_is_refused() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        (,, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, 2);
        uint256[4] memory counts = [uint256(0), 1, 4, 6];
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IDisputeGame.WrongHashCount.selector, counts[i], 5));
            vm.prank(EXECUTOR);
            game.dissect(g, 2, h0, h1, s, new bytes32[](counts[i]));
        }
    }

    function test_a_segment_that_was_not_stated_is_refused() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        (uint64 start, uint64 length, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, 2);
        bytes32[] memory hashes = dissectionOf(lie, liar(EXECUTOR, 0), start, length);
        bytes4 refused = DissectionLib.SegmentNotInDissection.selector;
        vm.expectPartialRevert(refused);
        dissectAs(g, 2, h1, h1, s, hashes);
        vm.expectPartialRevert(refused);
        dissectAs(g, 2, h0, h0, s, hashes);
        vm.expectPartialRevert(refused);
        dissectAs(g, 1, h0, h1, s, hashes);
        s[1] = bytes32(uint256(s[1]) ^ 1);
        vm.expectPartialRevert(refused);
        dissectAs(g, 2, h0, h1, s, hashes);
    }

    function dissectAs(bytes32 g, uint256 i, bytes32 h0, bytes32 h1, bytes32[] memory s, bytes32[] memory hashes)
        private
    {
        vm.prank(EXECUTOR);
        game.dissect(g, i, h0, h1, s, hashes);
    }

    function test_padding_is_no_segment_and_a_node_is_no_leaf() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        Board storage b = boards[g];
        bytes32[][] memory tree = DissectionTree.levels(b.startHash, b.hashes);
        bytes32[] memory s = DissectionTree.siblingsOf(b.startHash, b.hashes, 4);
        bytes32[] memory hashes = new bytes32[](5);
        vm.expectRevert(abi.encodeWithSelector(DissectionLib.SegmentOutOfRange.selector, 5, 5));
        dissectAs(g, 5, 0, 0, s, hashes);
        bytes32[] memory upper = new bytes32[](2);
        upper[0] = tree[1][1];
        upper[1] = tree[2][1];
        vm.expectRevert(abi.encodeWithSelector(DissectionLib.WrongSiblingCount.selector, 2, 3));
        dissectAs(g, 0, tree[0][0], tree[0][1], upper, hashes);
    }

    function test_no_level_can_be_skipped() public {
        bytes32 g = startGame(lie, honest(CHALLENGER));
        (uint64 start,, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, 2);
        bytes memory proof = proofAt(lie, start);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.OnlyDissectionIsLegal.selector, 400, 200));
        vm.prank(EXECUTOR);
        game.prove(g, 2, h0, h1, s, proof);
    }

    /// @dev A game forced to one step: (game, who moves now).
    function narrow(uint64 divergence) private returns (bytes32 g, Player memory mover) {
        g = startGame(lie, honest(CHALLENGER));
        while (true) {
            bool executors = game.game(g).status == IDisputeGame.GameStatus.ExecutorTurn;
            mover = executors ? liar(EXECUTOR, divergence) : honest(CHALLENGER);
            (, uint64 length,,,) = segmentOf(g, disputedSegment(lie, g, mover));
            if (length == 1) return (g, mover);
            skip(12);
            playTurn(lie, g, mover);
        }
    }

    /// @dev 625 steps at k = 5: four dissections exactly, so the challenger proves.
    function narrowToProof() private returns (bytes32 g, Player memory mover) {
        registerSteps(625);
        lie = assertLie();
        (g, mover) = narrow(321);
        vm.assertEq(mover.who, CHALLENGER, "mover");
    }

    function test_at_one_step_only_a_proof_is_legal() public {
        (bytes32 g, Player memory p) = narrowToProof();
        uint256 i = disputedSegment(lie, g, p);
        (uint64 start,, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, i);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.OnlyProofIsLegal.selector, start));
        vm.prank(p.who);
        game.dissect(g, i, h0, h1, s, new bytes32[](1));
    }

    function test_a_proof_of_another_state_or_of_the_stated_end_is_refused() public {
        (bytes32 g, Player memory p) = narrowToProof();
        uint256 i = disputedSegment(lie, g, p);
        (uint64 start,, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, i);
        bytes memory proof = proofAt(lie, start + 1);
        vm.expectPartialRevert(IDisputeGame.WrongPreState.selector);
        vm.prank(p.who);
        game.prove(g, i, h0, h1, s, proof);
        // The segment before is stated truly.
        (start,, h0, h1, s) = segmentOf(g, i - 1);
        proof = proofAt(lie, start);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.StepAgrees.selector, h1));
        vm.prank(p.who);
        game.prove(g, i - 1, h0, h1, s, proof);
        vm.assertTrue(!game.isVoided(lie), "a refused proof decided");
        vm.assertTrue(playTurn(lie, g, p), "the true proof");
        vm.assertTrue(game.isVoided(lie), "the lie stands");
    }

    function testFuzz_a_proof_with_too_little_gas_changes_nothing(uint256 gas_) public {
        (bytes32 g, Player memory p) = narrowToProof();
        uint256 i = disputedSegment(lie, g, p);
        (uint64 start,, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, i);
        bytes memory call_ = abi.encodeCall(game.prove, (g, i, h0, h1, s, proofAt(lie, start)));
        bytes32 before = keccak256(abi.encode(game.game(g), game.contest(lie)));
        vm.prank(p.who);
        (bool success,) = address(game).call{gas: bound(gas_, 1000, 90_000)}(call_);
        if (success) vm.assertTrue(game.isVoided(lie), "a verdict that was not computed");
        else vm.assertEq(keccak256(abi.encode(game.game(g), game.contest(lie))), before, "a failed proof left a trace");
    }

    function test_nothing_moves_after_the_verdict() public {
        (bytes32 g, Player memory p) = narrowToProof();
        uint256 i = disputedSegment(lie, g, p);
        playTurn(lie, g, p);
        vm.expectPartialRevert(IDisputeGame.WrongGameStatus.selector);
        this.playProof(g, p, i);
        vm.warp(START + 20 days);
        vm.expectPartialRevert(IDisputeGame.WrongGameStatus.selector);
        game.timeout(g);
    }

    function playProof(bytes32 g, Player memory p, uint256 i) external {
        (uint64 start,, bytes32 h0, bytes32 h1, bytes32[] memory s) = segmentOf(g, i);
        bytes memory proof = proofAt(lie, start);
        vm.prank(p.who);
        game.prove(g, i, h0, h1, s, proof);
    }

    // a trace of one step

    function test_one_step_is_opened_by_a_proof_alone() public {
        registerSteps(1);
        lie = assertLie();
        Player memory p = honest(CHALLENGER);
        bytes32 g = commitAs(lie, p);
        skip(12);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.OnlyProofIsLegal.selector, 0));
        vm.prank(CHALLENGER);
        game.open(g, bytes32(p.noise), new bytes32[](1));
        bytes memory proof = proofAt(lie, 0);
        bytes32 truth = truthAt(lie, 1);
        vm.prank(CHALLENGER);
        game.openWithProof(g, bytes32(p.noise), truth, proof);
        vm.assertTrue(game.isVoided(lie), "the lie stands");
    }

    function test_a_proof_cannot_open_a_longer_trace_or_a_false_end() public {
        bytes32 g = commitAs(lie, honest(CHALLENGER));
        skip(12);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.OnlyDissectionIsLegal.selector, 0, STEPS));
        vm.prank(CHALLENGER);
        game.openWithProof(g, 0, 0, "");
        registerSteps(1);
        bytes32 a = assertTruth();
        g = commitHash(a, CHALLENGER, "false", "s");
        skip(12);
        bytes memory proof = proofAt(a, 0);
        vm.expectPartialRevert(IDisputeGame.WrongPostState.selector);
        vm.prank(CHALLENGER);
        game.openWithProof(g, "s", "false", proof);
    }

    // arithmetic

    function testFuzz_commitment_equals_its_definition(bytes32 startHash, bytes32[] memory hashes, uint256 index)
        public
        view
    {
        vm.assume(hashes.length > 0 && hashes.length <= 256);
        index = bound(index, 0, hashes.length - 1);
        bytes32 root = this.commitmentOf(startHash, hashes);
        vm.assertEq(root, DissectionTree.rootOf(startHash, hashes), "root");
        bytes32 h0 = index == 0 ? startHash : hashes[index - 1];
        this.checkSegment(
            root, hashes.length, index, h0, hashes[index], DissectionTree.siblingsOf(startHash, hashes, index)
        );
    }

    function commitmentOf(bytes32 startHash, bytes32[] calldata hashes) external pure returns (bytes32) {
        return DissectionLib.commitmentOf(startHash, hashes);
    }

    function checkSegment(
        bytes32 root,
        uint256 parts,
        uint256 index,
        bytes32 h0,
        bytes32 h1,
        bytes32[] calldata siblings
    ) external pure {
        DissectionLib.checkSegment(root, parts, index, h0, h1, siblings);
    }

    function testFuzz_segments_tile_their_range(uint64 start, uint64 length, uint256 arity) public pure {
        start = uint64(bound(start, 0, 1 << 62));
        length = uint64(bound(length, 2, 1 << 62));
        arity = bound(arity, 2, 256);
        uint256 parts = DissectionLib.partsOf(length, arity);
        uint256 next = start;
        for (uint256 j = 0; j < parts; ++j) {
            (uint256 s, uint256 n) = DissectionLib.segmentRange(start, length, parts, j);
            vm.assertEq(s, next, "gap");
            vm.assertGe(n, 1, "empty");
            vm.assertLe(n, (length + arity - 1) / arity, "too long");
            next = s + n;
        }
        vm.assertEq(next, uint256(start) + length, "end");
    }

    function test_constants_that_make_no_game_are_refused() public {
        IDisputeGame.Constants memory c = gameConstants(1);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.InvalidConstant.selector, "arity", 1));
        new DisputeGame(vault, market, verifier, c);
        c = gameConstants(257);
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.InvalidConstant.selector, "arity", 257));
        new DisputeGame(vault, market, verifier, c);
        c = gameConstants(8);
        c.graceSeconds = 0;
        vm.expectRevert(abi.encodeWithSelector(IDisputeGame.InvalidConstant.selector, "graceSeconds", 0));
        new DisputeGame(vault, market, verifier, c);
        c = gameConstants(8);
        c.clockSeconds = 1 << 24;
        vm.expectPartialRevert(IDisputeGame.InvalidConstant.selector);
        new DisputeGame(vault, market, verifier, c);
    }

    function test_bound_of_a_dispute() public view {
        vm.assertEq(game.dissections(1), 0, "1");
        vm.assertEq(game.dissections(5), 1, "5");
        vm.assertEq(game.dissections(6), 2, "6");
        vm.assertEq(game.dissections(625), 4, "625");
        vm.assertEq(game.dissections(626), 5, "626");
        uint64 big = 5_000_000_000;
        vm.assertEq(game.clockFor(big), 3 hours + 100, "clock");
        vm.assertEq(game.maxDisputeSeconds(625), 1 hours + 2 * 3 hours + 4 * 10 minutes, "bound");
        uint256 longer = 1 hours + 100 + 2 * (3 hours + 100);
        vm.assertEq(game.maxDisputeSeconds(big), longer + 14 * 10 minutes, "bound of a long run");
    }

    function test_a_clock_is_never_cut() public {
        uint64 longest = (uint64(type(uint24).max) - 3 hours) * 50_000_000;
        vm.assertEq(game.clockFor(longest), type(uint24).max, "longest");
        vm.assertTrue(game.isCountable(longest), "countable");
        vm.assertFalse(game.isCountable(longest + 50_000_000), "too long");
    }

    function test_an_opening_has_the_time_of_a_run() public {
        registerSteps(5_000_000_000);
        bytes32 a = assertLie();
        bytes32 g = commitHash(a, CHALLENGER, "late", "s");
        vm.assertEq(game.game(g).deadline, this.nowSeconds() + 1 hours + 100, "deadline");
        vm.warp(uint256(game.game(g).deadline));
        vm.expectPartialRevert(IDisputeGame.DeadlineNotPassed.selector);
        game.forfeit(g);
        skip(1);
        game.forfeit(g);
    }
}
