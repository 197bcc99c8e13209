// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistration} from "./interfaces/IModelRegistration.sol";
import {DescriptorLib} from "./libraries/DescriptorLib.sol";
import {FieldsLib} from "./libraries/FieldsLib.sol";
import {FrontierLib} from "./libraries/FrontierLib.sol";
import {HeaderLib} from "./libraries/HeaderLib.sol";
import {RulesLib} from "./libraries/RulesLib.sol";
import {Sha256Lib} from "./libraries/Sha256Lib.sol";
import {SlotsLib} from "./libraries/SlotsLib.sol";
import {StepsLib} from "./libraries/StepsLib.sol";

/// @title Checks programs descriptor by descriptor and keeps what the market needs of those that pass.
contract ModelRegistry is IModelRegistration {
    using DescriptorLib for bytes;
    using HeaderLib for bytes;

    uint256 private constant VERSION = 1;
    uint256 private constant MAX_SLOT_DEPTH = 7;
    uint256 private constant MAX_ITERATIONS = 1 << 24;
    uint256 private constant MAX_OPERATORS = 65_535;
    uint256 private constant MAX_COUNT = 1 << 32;
    uint256 private constant MAX_CONSTANTS_BYTES = 1 << 40;
    uint256 private constant MAX_OUTPUT_BYTES = 32_768;
    uint256 private constant MAX_STEPS = 1 << 63;
    uint256 private constant ENTRY_BITS = 64;

    uint256 public immutable depositWei;
    uint96 public immutable stakeBaseWei;
    uint96 public immutable stakePerBitWei;

    struct Model {
        bool registered;
        uint8 slotDepth;
        uint8 inputSlot;
        uint8 outputSlot;
        uint32 maxIterations;
        uint64 stepsPerIteration;
        uint96 minimumStake;
        uint64 inputBytes;
        uint32 outputBytes;
    }

    /// @dev A registration between two calls. `table`: slot entries, four a word.
    struct Pending {
        bool begun;
        uint32 operators;
        uint128 steps;
        uint256[32] table;
        bytes32[16] frontier;
    }

    /// @dev A registration inside a call.
    struct Cursor {
        uint256 operators;
        uint256 steps;
        uint256[] table;
        bytes32[] frontier;
    }

    mapping(bytes32 programRoot => Model) private _models;
    mapping(address registrant => mapping(bytes32 programRoot => Pending)) private _pending;

    constructor(uint256 depositWei_, uint96 stakeBaseWei_, uint96 stakePerBitWei_) {
        // The base and 63 digits of the largest number of steps must still fit a stake.
        if (stakeBaseWei_ > type(uint96).max / 64) revert InvalidConstant("stakeBaseWei", stakeBaseWei_);
        if (stakePerBitWei_ == 0 || stakePerBitWei_ > type(uint96).max / 64) {
            revert InvalidConstant("stakePerBitWei", stakePerBitWei_);
        }
        depositWei = depositWei_;
        stakeBaseWei = stakeBaseWei_;
        stakePerBitWei = stakePerBitWei_;
    }

    function register(bytes calldata header, string calldata weightsUri, bytes calldata descriptors)
        external
        payable
        returns (bytes32 programRoot)
    {
        programRoot = _requireHeader(header);
        Pending storage pending = _pending[msg.sender][programRoot];
        uint256 due = pending.begun ? 0 : depositWei;
        if (msg.value != due) revert WrongDeposit(msg.value, due);
        pending.begun = true;
        emit RegistrationBegun(programRoot, msg.sender);
        emit WeightsLocated(programRoot, msg.sender, weightsUri);

        Cursor memory c;
        c.table = new uint256[](1 << header.slotDepth());
        c.table[header.inputSlot()] = SlotsLib.entryOf(header.inputType(), header.inputCount());
        c.frontier = new bytes32[](FrontierLib.LEVELS);
        _advance(c, programRoot, header, descriptors, pending);
    }

    function extend(bytes calldata header, bytes calldata descriptors) external {
        bytes32 programRoot = _requireHeader(header);
        Pending storage pending = _pending[msg.sender][programRoot];
        if (!pending.begun) revert NotBegun(msg.sender, programRoot);
        _advance(_load(pending, header.slotDepth()), programRoot, header, descriptors, pending);
    }

    function locateWeights(bytes32 programRoot, string calldata uri) external {
        emit WeightsLocated(programRoot, msg.sender, uri);
    }

    function progress(address registrant, bytes32 programRoot)
        external
        view
        returns (bool begun, uint32 operators, uint128 steps)
    {
        Pending storage pending = _pending[registrant][programRoot];
        return (pending.begun, pending.operators, pending.steps);
    }

    function model(bytes32 programRoot) external view returns (ModelInfo memory info) {
        Model memory m = _models[programRoot];
        info.registered = m.registered;
        info.minimumStake = m.minimumStake;
        info.maxIterations = m.maxIterations;
        info.stepsPerIteration = m.stepsPerIteration;
        info.inputBytes = m.inputBytes;
        info.outputBytes = m.outputBytes;
        info.slotDepth = m.slotDepth;
        info.inputSlot = m.inputSlot;
        info.outputSlot = m.outputSlot;
        // Kept slots are made in the first iteration: before it all but the input is empty.
        info.initialSiblings = new bytes32[](m.slotDepth);
        bytes32 empty = 0;
        for (uint256 level = 0; level < m.slotDepth; ++level) {
            info.initialSiblings[level] = empty;
            empty = Sha256Lib.ofPair(empty, empty);
        }
    }

    function minimumStakeOf(uint256 steps) public view returns (uint96) {
        uint96 bits = 0;
        for (; steps != 0; steps >>= 1) ++bits;
        return stakeBaseWei + stakePerBitWei * bits;
    }

    /// @dev Check a chunk and either complete the registration or keep it for the next call.
    function _advance(
        Cursor memory c,
        bytes32 programRoot,
        bytes calldata header,
        bytes calldata descriptors,
        Pending storage pending
    ) private {
        uint256 count = descriptors.length / DescriptorLib.BYTES;
        if (count * DescriptorLib.BYTES != descriptors.length) revert PartialDescriptor(descriptors.length);
        uint256 missing = header.operatorCount() - c.operators;
        if (count > missing) revert TooManyDescriptors(count, missing);
        for (uint256 i = 0; i < count; ++i) {
            _check(c, header, descriptors[DescriptorLib.BYTES * i:DescriptorLib.BYTES * (i + 1)]);
        }
        emit DescriptorsChecked(programRoot, msg.sender, uint32(c.operators));
        if (count == missing) {
            _complete(c, programRoot, header);
            // The rest of the record is dead: no other call gets past the registered root.
            (pending.begun, pending.operators, pending.steps) = (false, 0, 0);
        } else {
            _save(c, pending);
        }
    }

    /// @dev Rules 2 to 4 for one descriptor.
    function _check(Cursor memory c, bytes calldata header, bytes calldata d) private view {
        uint256 index = c.operators;
        uint256 part = FieldsLib.fault(d, header.constantsBytes(), header.maxIterations());
        if (part != RulesLib.OK) revert InvalidDescriptor(index, part);
        if (d.firstStep() != c.steps) revert WrongFirstStep(index, d.firstStep(), c.steps);
        bool isEnd = d.opcode() == DescriptorLib.END;
        if (isEnd != (index + 1 == header.operatorCount())) revert MisplacedEnd(index);
        if (isEnd || d.opcode() == DescriptorLib.HALT) {
            // Wherever a run can end, it has an output.
            uint256 needed = SlotsLib.entryOf(header.outputType(), header.outputCount());
            uint256 found = c.table[header.outputSlot()] & ~SlotsLib.KEPT;
            if (found != needed) revert WrongOutputType(found, needed);
        }
        if (isEnd) {
            if (header.maxIterations() > 1) SlotsLib.requireRepeatable(c.table, header.inputSlot());
        } else {
            SlotsLib.update(c.table, d, index, header.inputSlot());
        }
        c.steps += StepsLib.stepsOf(d);
        FrontierLib.append(c.frontier, index, _hashOf(d));
        c.operators = index + 1;
    }

    /// @dev Rule 5, and the record for the market.
    function _complete(Cursor memory c, bytes32 programRoot, bytes calldata header) private {
        if (header.stepsPerIteration() != c.steps) revert WrongStepCount(header.stepsPerIteration(), c.steps);
        bytes32 computed = FrontierLib.root(c.frontier, c.operators);
        if (header.operatorsRoot() != computed) revert WrongOperatorsRoot(header.operatorsRoot(), computed);
        uint96 minimumStake = minimumStakeOf(c.steps * header.maxIterations());
        // The header's rules bound every value by its type.
        _models[programRoot] = Model({
            registered: true,
            slotDepth: uint8(header.slotDepth()),
            inputSlot: uint8(header.inputSlot()),
            outputSlot: uint8(header.outputSlot()),
            maxIterations: uint32(header.maxIterations()),
            stepsPerIteration: uint64(c.steps),
            minimumStake: minimumStake,
            inputBytes: uint64(header.inputCount() * DescriptorLib.sizeOf(header.inputType())),
            outputBytes: uint32(header.outputCount() * DescriptorLib.sizeOf(header.outputType()))
        });
        emit ModelRegistered(programRoot, msg.sender, minimumStake);
    }

    /// @dev Rule 1. Returns the program root, which is not registered yet.
    function _requireHeader(bytes calldata h) private view returns (bytes32 programRoot) {
        if (h.length < HeaderLib.FIXED_BYTES) revert InvalidHeaderLength(h.length, HeaderLib.FIXED_BYTES);
        uint256 depth = h.slotDepth();
        if (h.version() != VERSION) revert InvalidHeader("version");
        if (depth == 0 || depth > MAX_SLOT_DEPTH) revert InvalidHeader("slot_depth");
        uint256 length = HeaderLib.FIXED_BYTES + 32 * depth;
        if (h.length != length) revert InvalidHeaderLength(h.length, length);
        if (h.inputSlot() >> depth != 0) revert InvalidHeader("input_slot");
        if (h.outputSlot() >> depth != 0 || h.outputSlot() == h.inputSlot()) revert InvalidHeader("output_slot");
        if (h.inputType() > 4) revert InvalidHeader("input_dtype");
        if (h.outputType() > 4) revert InvalidHeader("output_dtype");
        if (h.reserved() != 0) revert InvalidHeader("reserved");
        if (h.operatorCount() == 0 || h.operatorCount() > MAX_OPERATORS) revert InvalidHeader("operator_count");
        if (h.maxIterations() == 0 || h.maxIterations() > MAX_ITERATIONS) revert InvalidHeader("max_iterations");
        if (h.stepsPerIteration() * h.maxIterations() >= MAX_STEPS) revert InvalidHeader("steps_per_iteration");
        if (h.constantsBytes() == 0 || h.constantsBytes() > MAX_CONSTANTS_BYTES || h.constantsBytes() % 256 != 0) {
            revert InvalidHeader("constants_bytes");
        }
        if (h.inputCount() == 0 || h.inputCount() > MAX_COUNT) revert InvalidHeader("input_shape");
        uint256 outputBytes = h.outputCount() * DescriptorLib.sizeOf(h.outputType());
        if (outputBytes == 0 || outputBytes > MAX_OUTPUT_BYTES) revert InvalidHeader("output_shape");
        bytes32 empty = 0;
        for (uint256 level = 0; level < depth; ++level) {
            if (h.initialSibling(level) != empty) revert InvalidHeader("initial_siblings");
            empty = Sha256Lib.ofPair(empty, empty);
        }
        programRoot = _hashOf(h);
        if (_models[programRoot].registered) revert AlreadyRegistered(programRoot);
    }

    function _load(Pending storage pending, uint256 slotDepth) private view returns (Cursor memory c) {
        c.operators = pending.operators;
        c.steps = pending.steps;
        c.table = new uint256[](1 << slotDepth);
        for (uint256 slot = 0; slot < c.table.length; ++slot) {
            uint256 shift = ENTRY_BITS * (slot % 4);
            c.table[slot] = (pending.table[slot / 4] >> shift) & type(uint64).max;
        }
        c.frontier = new bytes32[](FrontierLib.LEVELS);
        for (uint256 level = 0; level < FrontierLib.LEVELS; ++level) {
            if ((c.operators >> level) & 1 == 1) c.frontier[level] = pending.frontier[level];
        }
    }

    function _save(Cursor memory c, Pending storage pending) private {
        pending.operators = uint32(c.operators);
        pending.steps = uint128(c.steps);
        for (uint256 slot = 0; slot < c.table.length; slot += 4) {
            uint256 word = 0;
            for (uint256 i = 0; i < 4 && slot + i < c.table.length; ++i) {
                word |= c.table[slot + i] << (ENTRY_BITS * i);
            }
            pending.table[slot / 4] = word;
        }
        for (uint256 level = 0; level < FrontierLib.LEVELS; ++level) {
            if ((c.operators >> level) & 1 == 1) pending.frontier[level] = c.frontier[level];
        }
    }

    function _hashOf(bytes calldata data) private view returns (bytes32) {
        uint256 offset;
        assembly ("memory-safe") {
            offset := data.offset
        }
        return Sha256Lib.ofCalldata(offset, data.length);
    }
}
