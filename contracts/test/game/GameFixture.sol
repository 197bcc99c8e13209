// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../../src/DisputeGame.sol";
import {StakeManager} from "../../src/StakeManager.sol";
import {TaskMarket} from "../../src/TaskMarket.sol";
import {IDisputeGame} from "../../src/interfaces/IDisputeGame.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {ITaskMarket} from "../../src/interfaces/ITaskMarket.sol";
import {DissectionTree} from "../toy/DissectionTree.sol";
import {ToyMachine} from "../toy/ToyMachine.sol";
import {ToyRegistry} from "../toy/ToyRegistry.sol";
import {ToyStepProof} from "../toy/ToyStepProof.sol";
import {TestBase} from "../utils/TestBase.sol";

/// @title A deployment over the toy machine, and players that know its trace.
abstract contract GameFixture is TestBase {
    bytes32 internal constant PROGRAM = keccak256("toy program");
    uint96 internal constant FEE = 1 ether;
    uint96 internal constant STAKE = 10 ether;
    uint256 internal constant START = 1_700_000_000;
    uint256 internal constant BASE_FEE = 20 gwei;

    /// @dev Who states what: the truth, or the truth up to `divergence` and noise after it.
    struct Player {
        address who;
        bool honest;
        uint64 divergence;
        uint256 noise;
    }

    /// @dev The last dissection of a game in full, as a player keeps it.
    struct Board {
        uint64 start;
        uint64 length;
        bytes32 startHash;
        bytes32[] hashes;
    }

    ToyRegistry internal registry;
    ToyStepProof internal verifier;
    StakeManager internal vault;
    TaskMarket internal market;
    DisputeGame internal game;

    address internal constant GUARDIAN = address(0x6000);
    address internal constant REQUESTER = address(0x1000);
    address internal constant EXECUTOR = address(0x2000);
    address internal constant CHALLENGER = address(0x3000);
    address internal constant ANYONE = address(0x4000);

    mapping(bytes32 gameId => Board) internal boards;
    uint64 private _nonce;

    function deploy(uint64 steps, uint16 arity) internal {
        vm.warp(START);
        vm.fee(BASE_FEE);
        registry = new ToyRegistry();
        registerSteps(steps);
        verifier = new ToyStepProof(registry);
        vault = new StakeManager();
        market = new TaskMarket(vault, registry, GUARDIAN, marketConstants());
        game = new DisputeGame(vault, market, verifier, gameConstants(arity));
        vault.initialise(address(market), address(game));
        market.initialise(game);
        fund(REQUESTER);
        fund(EXECUTOR);
        fund(CHALLENGER);
    }

    function registerSteps(uint64 steps) internal {
        registerRuns(steps, 1);
    }

    function registerRuns(uint64 steps, uint32 maxIterations) internal {
        bytes32[] memory siblings = new bytes32[](1);
        registry.register(
            PROGRAM, IModelRegistry.ModelInfo(true, STAKE, maxIterations, steps, 600, 32, 1, 0, 1, siblings)
        );
    }

    function marketConstants() internal pure returns (ITaskMarket.Constants memory) {
        return ITaskMarket.Constants(6 hours, 1 hours, 2 hours, 1000, 100 gwei);
    }

    function gameConstants(uint16 arity) internal pure virtual returns (IDisputeGame.Constants memory) {
        return IDisputeGame.Constants(
            arity, 1 hours, 3 hours, 10 minutes, 50_000_000, 0.02 ether, 0.005 ether, 83_000, 300_000
        );
    }

    function fund(address who) internal {
        vm.deal(who, 1000 ether);
        vm.prank(who);
        vault.deposit{value: 1000 ether}();
    }

    function inputOf(uint256 seed) internal pure returns (bytes memory input) {
        input = new bytes(600);
        for (uint256 i = 0; i < 600; ++i) {
            input[i] = bytes1(uint8(uint256(keccak256(abi.encode(seed, i / 32))) >> (8 * (i % 32))));
        }
    }

    /// @dev The tree over 600 bytes as its definition reads: three leaves and one zero leaf.
    function rootOfInput(bytes memory input) internal pure returns (bytes32) {
        bytes32[4] memory leaf;
        for (uint256 l = 0; l < 4; ++l) {
            bytes memory b = new bytes(256);
            for (uint256 i = 0; i < 256 && 256 * l + i < input.length; ++i) b[i] = input[256 * l + i];
            leaf[l] = sha256(b);
        }
        return sha256(abi.encode(sha256(abi.encode(leaf[0], leaf[1])), sha256(abi.encode(leaf[2], leaf[3]))));
    }

    /// @dev What a reveal is paid, as its definition reads.
    function revealGas(bytes memory input) internal pure returns (uint256) {
        uint256 zeros = 0;
        for (uint256 i = 0; i < input.length; ++i) if (input[i] == 0) ++zeros;
        uint256 others = input.length - zeros;
        uint256 floor = 10 * zeros + 40 * others;
        uint256 standard = 4 * zeros + 16 * others + 60_000 + 16 * input.length;
        return 21_000 + (floor > standard ? floor : standard);
    }

    function newTask() internal returns (bytes32 taskId) {
        return newTask(1);
    }

    function newTask(uint32 iterations) internal returns (bytes32 taskId) {
        bytes memory input = inputOf(_nonce);
        vm.prank(REQUESTER);
        taskId = market.requestWithInput(PROGRAM, input, iterations, FEE, taskDeadline(), _nonce++);
    }

    function newBareTask() internal returns (bytes32 taskId, bytes memory input) {
        return newBareTask(1);
    }

    function newBareTask(uint32 iterations) internal returns (bytes32 taskId, bytes memory input) {
        input = inputOf(_nonce);
        bytes32 root = rootOfInput(input);
        vm.prank(REQUESTER);
        taskId = market.request(PROGRAM, root, iterations, FEE, taskDeadline(), _nonce++);
    }

    function taskDeadline() internal view virtual returns (uint40) {
        return uint40(START + 30 days);
    }

    function trueOutput(bytes32 taskId) internal view returns (bytes memory) {
        return ToyMachine.outputOf(
            ToyMachine.memoryRoot(registry.model(PROGRAM), market.task(taskId).inputRoot)
        );
    }

    function claimTask(bytes32 taskId, address executor) internal virtual returns (uint32 attempt) {
        vm.prank(executor);
        return market.claim(taskId, STAKE);
    }

    function assertOutput(bytes32 taskId, address executor, bytes memory output) internal returns (bytes32) {
        return assertOutput(taskId, executor, output, false);
    }

    function assertOutput(bytes32 taskId, address executor, bytes memory output, bool halted)
        internal
        returns (bytes32)
    {
        uint32 attempt = claimTask(taskId, executor);
        vm.prank(executor);
        return market.assertResult(taskId, attempt, output, halted);
    }

    function assertTruth() internal returns (bytes32 assertionId) {
        bytes32 taskId = newTask();
        return assertOutput(taskId, EXECUTOR, trueOutput(taskId));
    }

    function assertLie() internal returns (bytes32 assertionId) {
        return assertOutput(newTask(), EXECUTOR, new bytes(32));
    }

    function truthAt(bytes32 assertionId, uint64 t) internal view returns (bytes32) {
        ITaskMarket.Assertion memory a = market.assertion(assertionId);
        ITaskMarket.Task memory task = market.task(a.taskId);
        IModelRegistry.ModelInfo memory info = registry.model(task.programRoot);
        return ToyMachine.stateAt(info, task.inputRoot, info.stepsPerIteration * task.iterations, t);
    }

    /// @dev State of step `t` as a player states it. An executor's lie must end where its assertion ends.
    function stateAt(bytes32 assertionId, Player memory p, uint64 t) internal view returns (bytes32) {
        if (p.honest || t <= p.divergence) return truthAt(assertionId, t);
        ITaskMarket.Terms memory terms = market.terms(assertionId);
        if (p.who == terms.executor && t == terms.steps) return terms.finalHash;
        return keccak256(abi.encode("lie", p.noise, t));
    }

    function dissectionOf(bytes32 assertionId, Player memory p, uint64 start, uint64 length)
        internal
        view
        returns (bytes32[] memory hashes)
    {
        uint256 parts = length < game.constants().arity ? length : game.constants().arity;
        hashes = new bytes32[](parts);
        for (uint256 j = 1; j <= parts; ++j) {
            hashes[j - 1] = stateAt(assertionId, p, uint64(start + (length * j) / parts));
        }
    }

    function commitAs(bytes32 assertionId, Player memory p) internal returns (bytes32 gameId) {
        bytes32 finalHash = stateAt(assertionId, p, market.terms(assertionId).steps);
        return commitHash(assertionId, p.who, finalHash, bytes32(p.noise));
    }

    function commitHash(bytes32 assertionId, address who, bytes32 finalHash, bytes32 salt)
        internal
        returns (bytes32 gameId)
    {
        vm.prank(who);
        return game.commit(assertionId, keccak256(abi.encode(assertionId, who, finalHash, salt)), 100 ether);
    }

    function openAs(bytes32 assertionId, bytes32 gameId, Player memory p) internal {
        uint64 steps = market.terms(assertionId).steps;
        bytes32[] memory hashes = dissectionOf(assertionId, p, 0, steps);
        vm.prank(p.who);
        game.open(gameId, bytes32(p.noise), hashes);
        boards[gameId] = Board(0, steps, truthAt(assertionId, 0), hashes);
    }

    function startGame(bytes32 assertionId, Player memory p) internal returns (bytes32 gameId) {
        gameId = commitAs(assertionId, p);
        skip(12);
        openAs(assertionId, gameId, p);
    }

    /// @dev First segment of the board whose end the player disputes, or the number of parts when there is none.
    function disputedSegment(bytes32 assertionId, bytes32 gameId, Player memory p)
        internal
        view
        returns (uint256 segment)
    {
        Board storage b = boards[gameId];
        uint256 parts = b.hashes.length;
        while (segment < parts) {
            uint64 end = uint64(b.start + (b.length * (segment + 1)) / parts);
            if (b.hashes[segment] != stateAt(assertionId, p, end)) break;
            ++segment;
        }
    }

    function segmentOf(bytes32 gameId, uint256 segment)
        internal
        view
        returns (uint64 start, uint64 length, bytes32 startHash, bytes32 endHash, bytes32[] memory siblings)
    {
        Board storage b = boards[gameId];
        uint256 parts = b.hashes.length;
        start = uint64(b.start + (b.length * segment) / parts);
        length = uint64(b.start + (b.length * (segment + 1)) / parts) - start;
        startHash = segment == 0 ? b.startHash : b.hashes[segment - 1];
        endHash = b.hashes[segment];
        siblings = DissectionTree.siblingsOf(b.startHash, b.hashes, segment);
    }

    function proofAt(bytes32 assertionId, uint64 step) internal view returns (bytes memory) {
        ITaskMarket.Task memory task = market.task(market.assertion(assertionId).taskId);
        bytes32 root = ToyMachine.memoryRoot(registry.model(task.programRoot), task.inputRoot);
        return abi.encode(root, ToyMachine.square(step));
    }

    /// @dev Make the one move that a player's own trace names. False when the turn has no legal move for it.
    function playTurn(bytes32 assertionId, bytes32 gameId, Player memory p) internal returns (bool moved) {
        uint256 segment = disputedSegment(assertionId, gameId, p);
        if (segment == boards[gameId].hashes.length) return false;
        return playSegment(assertionId, gameId, p, segment);
    }

    function playSegment(bytes32 assertionId, bytes32 gameId, Player memory p, uint256 segment)
        internal
        returns (bool moved)
    {
        (uint64 start, uint64 length, bytes32 startHash, bytes32 endHash, bytes32[] memory siblings) =
            segmentOf(gameId, segment);
        if (length == 1) {
            bytes memory proof = proofAt(assertionId, start);
            vm.prank(p.who);
            try game.prove(gameId, segment, startHash, endHash, siblings, proof) {
                return true;
            } catch {
                return false;
            }
        }
        bytes32[] memory hashes = dissectionOf(assertionId, p, start, length);
        vm.prank(p.who);
        game.dissect(gameId, segment, startHash, endHash, siblings, hashes);
        boards[gameId] = Board(start, length, startHash, hashes);
        return true;
    }

    /// @dev Play an opened game to its verdict. Returns the number of moves after the opening.
    function playOut(bytes32 assertionId, bytes32 gameId, Player memory executor, Player memory challenger)
        internal
        returns (uint256 moves)
    {
        while (true) {
            IDisputeGame.GameStatus status = game.game(gameId).status;
            if (status == IDisputeGame.GameStatus.Lost || status == IDisputeGame.GameStatus.Won) return moves;
            skip(12);
            bool moved = status == IDisputeGame.GameStatus.ExecutorTurn
                ? playTurn(assertionId, gameId, executor)
                : playTurn(assertionId, gameId, challenger);
            if (!moved) {
                vm.warp(uint256(game.game(gameId).deadline) + 1);
                vm.prank(ANYONE);
                game.timeout(gameId);
            }
            ++moves;
        }
    }

    function honest(address who) internal pure returns (Player memory) {
        return Player(who, true, 0, uint160(who));
    }

    function liar(address who, uint64 divergence) internal pure returns (Player memory) {
        return Player(who, false, divergence, uint160(who));
    }

    function freeOf(address who) internal view returns (uint256 free) {
        (free,) = vault.account(who);
    }

    function lockedOf(address who) internal view returns (uint256 locked) {
        (, locked) = vault.account(who);
    }
}
