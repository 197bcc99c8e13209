// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModelRegistry} from "./IModelRegistry.sol";

/// @title How a program becomes a model: all of it is checked on chain (docs/spec/program.md, "Registration rules").
/// @notice Descriptors come in as many calls as their gas needs. A registration in progress belongs to its sender, so
/// nobody can spoil another's. What passes runs to its end on every input, one provable step after another.
interface IModelRegistration is IModelRegistry {
    /// @dev `part` of InvalidDescriptor: 0 to 27 a field, 28 the eight head bytes, 29 an unused field that is not 0,
    /// 30 too many input elements, 31 too many output elements, 32 too large a kernel.
    error InvalidDescriptor(uint256 operatorIndex, uint256 part);
    error InvalidConstant(string name, uint256 value);
    error InvalidHeader(string field);
    error InvalidHeaderLength(uint256 given, uint256 needed);
    error WrongDeposit(uint256 given, uint256 needed);
    error AlreadyRegistered(bytes32 programRoot);
    error NotBegun(address registrant, bytes32 programRoot);
    error PartialDescriptor(uint256 length);
    error TooManyDescriptors(uint256 given, uint256 needed);
    error WrongFirstStep(uint256 operatorIndex, uint256 given, uint256 needed);
    error MisplacedEnd(uint256 operatorIndex);
    error WrongOutputType(uint256 found, uint256 needed);
    error WrongStepCount(uint256 given, uint256 computed);
    error WrongOperatorsRoot(bytes32 given, bytes32 computed);

    event RegistrationBegun(bytes32 indexed programRoot, address indexed registrant);
    event DescriptorsChecked(bytes32 indexed programRoot, address indexed registrant, uint32 count);
    event ModelRegistered(bytes32 indexed programRoot, address indexed registrant, uint96 minimumStake);
    event WeightsLocated(bytes32 indexed programRoot, address indexed sender, string uri);

    /// @notice Begin a registration, or begin it again, with the header and the first descriptors; the last
    /// descriptor completes it.
    /// @dev A sender's first call for a program carries exactly `depositWei`. It is a cost: nobody gets it back.
    /// @param header The program's header; its SHA-256 is the program root.
    /// @param weightsUri Where the program can be fetched; anyone can check what is there against the root.
    /// @param descriptors Whole descriptors from the first on, possibly none.
    function register(bytes calldata header, string calldata weightsUri, bytes calldata descriptors)
        external
        payable
        returns (bytes32 programRoot);

    /// @notice Check the next descriptors of a registration that the caller has begun.
    function extend(bytes calldata header, bytes calldata descriptors) external;

    /// @notice Announce another place where a program can be fetched.
    function locateWeights(bytes32 programRoot, string calldata uri) external;

    /// @notice How many descriptors of a registration in progress are checked, and their steps; `begun` is false
    /// when there is none.
    function progress(address registrant, bytes32 programRoot)
        external
        view
        returns (bool begun, uint32 operators, uint128 steps);

    /// @notice The stake floor in wei of a program with `steps` steps in all iterations together: `stakeBaseWei`, since
    /// every dispute commits, opens and proves, and `stakePerBitWei` for each binary digit of the number of steps, since
    /// its dissections grow with the logarithm.
    function minimumStakeOf(uint256 steps) external view returns (uint96);

    /// @notice Wei that a registration costs.
    function depositWei() external view returns (uint256);

    /// @notice Stake floor of every program before its digits, in wei.
    function stakeBaseWei() external view returns (uint96);

    /// @notice Stake floor for each binary digit of a program's number of steps, in wei.
    function stakePerBitWei() external view returns (uint96);
}
