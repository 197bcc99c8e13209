// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DisputeGame} from "../src/DisputeGame.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {OneStepProof} from "../src/OneStepProof.sol";
import {StakeManager} from "../src/StakeManager.sol";
import {TaskMarket} from "../src/TaskMarket.sol";
import {IDisputeGame} from "../src/interfaces/IDisputeGame.sol";
import {IProver} from "../src/interfaces/IProver.sol";
import {ITaskMarket} from "../src/interfaces/ITaskMarket.sol";
import {ControlProver} from "../src/prover/ControlProver.sol";
import {ConvProver} from "../src/prover/ConvProver.sol";
import {CopyProver} from "../src/prover/CopyProver.sol";
import {MapProver} from "../src/prover/MapProver.sol";
import {MatmulProver} from "../src/prover/MatmulProver.sol";
import {PoolProver} from "../src/prover/PoolProver.sol";
import {ReduceProver} from "../src/prover/ReduceProver.sol";
import {RowProver} from "../src/prover/RowProver.sol";
import {TableProver} from "../src/prover/TableProver.sol";
import {TokenProver} from "../src/prover/TokenProver.sol";

/// @title The cheatcodes of a broadcast.
interface Broadcaster {
    function startBroadcast() external;
    function stopBroadcast() external;
}

/// @title Deploys and wires every contract with the production values of docs/spec/dispute.md.
/// @dev `./forge script script/Deploy.s.sol --sig 'run(address)' GUARDIAN --rpc-url URL --broadcast` and a signer.
contract Deploy {
    Broadcaster private constant vm = Broadcaster(address(uint160(uint256(keccak256("hevm cheat code")))));

    function run(address guardian)
        external
        returns (ModelRegistry registry, StakeManager vault, TaskMarket market, DisputeGame game)
    {
        vm.startBroadcast();
        IProver[10] memory provers;
        provers[0] = new ControlProver();
        provers[1] = new ConvProver();
        provers[2] = new PoolProver();
        provers[3] = new MapProver();
        provers[4] = new CopyProver();
        provers[5] = new MatmulProver();
        provers[6] = new ReduceProver();
        provers[7] = new RowProver();
        provers[8] = new TableProver();
        provers[9] = new TokenProver();
        OneStepProof verifier = new OneStepProof(provers);
        registry = new ModelRegistry(0.1 ether, 0.3 ether, 0.05 ether);
        vault = new StakeManager();
        market = new TaskMarket(vault, registry, guardian, marketConstants());
        game = new DisputeGame(vault, market, verifier, gameConstants());
        vault.initialise(address(market), address(game));
        market.initialise(game);
        vm.stopBroadcast();
    }

    function marketConstants() public pure returns (ITaskMarket.Constants memory) {
        return ITaskMarket.Constants({
            windowSeconds: 6 hours,
            assertSeconds: 1 hours,
            revealSeconds: 2 hours,
            claimPenaltyBps: 1000,
            revealBaseFeeWei: 100 gwei
        });
    }

    function gameConstants() public pure returns (IDisputeGame.Constants memory) {
        return IDisputeGame.Constants({
            arity: 28,
            openSeconds: 1 hours,
            clockSeconds: 3 hours,
            graceSeconds: 10 minutes,
            stepsPerClockSecond: 50_000_000,
            bondBaseWei: 0.02 ether,
            bondPerDissectionWei: 0.005 ether,
            dissectionGas: 83_000,
            proofGas: 300_000
        });
    }
}
