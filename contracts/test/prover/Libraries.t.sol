// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CarriageLib} from "../../src/libraries/CarriageLib.sol";
import {DotLib} from "../../src/libraries/DotLib.sol";
import {Float32Lib} from "../../src/libraries/Float32Lib.sol";
import {FrontierLib} from "../../src/libraries/FrontierLib.sol";
import {MerkleLib} from "../../src/libraries/MerkleLib.sol";
import {Sha256Lib} from "../../src/libraries/Sha256Lib.sol";
import {TestBase} from "../utils/TestBase.sol";

/// @title The libraries against their definitions, written without shortcuts.
contract LibrariesTest is TestBase {
    function testFuzz_dotIsTheSumOfProducts(bytes32 seed, uint256 length, uint256 signs, uint256 zeros) public view {
        length = bound(length, 1, 256);
        bool xSigned = signs & 1 == 1;
        bool wSigned = signs & 2 == 2;
        int256 xZero = int256(zeros & 255) - (xSigned ? int256(128) : int256(0));
        int256 wZero = int256((zeros >> 8) & 255) - (wSigned ? int256(128) : int256(0));
        this.checkDot(bytesOf(seed, length), bytesOf(~seed, length), xSigned, xZero, wSigned, wZero);
    }

    function testFuzz_zerosAreCounted(bytes32 seed, uint256 length, uint256 share) public view {
        length = bound(length, 0, 300);
        bytes memory data = bytesOf(seed, length);
        uint256 expected = 0;
        for (uint256 i = 0; i < length; ++i) {
            if (uint8(keccak256(abi.encode(seed, i))[0]) < share % 257) data[i] = 0;
            if (data[i] == 0) ++expected;
        }
        vm.assertEq(this.zerosIn(data), expected, "zeros");
    }

    function zerosIn(bytes calldata data) external pure returns (uint256) {
        return CarriageLib.zerosIn(data);
    }

    function test_dotOfTheLargestOperands() public view {
        for (uint256 signs = 0; signs < 2; ++signs) {
            for (uint256 pick = 0; pick < 16; ++pick) {
                bytes1 x = pick & 1 == 0 ? bytes1(0x7f) : bytes1(0x80);
                if (pick & 2 != 0) x = pick & 1 == 0 ? bytes1(0x00) : bytes1(0xff);
                bytes1 w = pick & 4 == 0 ? bytes1(0x7f) : bytes1(0x80);
                int256 zero = pick & 8 == 0 ? int256(0) : int256(255);
                if (signs == 1) zero -= 128;
                for (uint256 wZero = 0; wZero < 256; wZero += 255) {
                    this.checkDot(filled(x, 256), filled(w, 256), signs == 1, zero, false, int256(wZero));
                    this.checkDot(filled(x, 225), filled(w, 225), signs == 1, zero, true, int256(wZero) - 128);
                }
            }
        }
    }

    /// @dev External, or its operands would not fit the caller's stack.
    function checkDot(bytes memory x, bytes memory w, bool isSigned, int256 zero, bool wSigned, int256 wZero)
        external
        pure
    {
        int256 expected = 0;
        for (uint256 i = 0; i < x.length; ++i) {
            int256 value = isSigned ? int256(int8(uint8(x[i]))) : int256(uint256(uint8(x[i])));
            int256 weight = wSigned ? int256(int8(uint8(w[i]))) : int256(uint256(uint8(w[i])));
            expected += (value - zero) * (weight - wZero);
        }
        uint256 xAt;
        uint256 wAt;
        bytes memory xPadded = bytes.concat(x, new bytes(32));
        bytes memory wPadded = bytes.concat(w, new bytes(32));
        assembly ("memory-safe") {
            xAt := add(xPadded, 32)
            wAt := add(wPadded, 32)
        }
        int256 found = DotLib.dot(xAt, wAt, x.length, isSigned, zero, wSigned, wZero);
        vm.assertTrue(found == expected, "dot");
    }

    /// @dev fl(fl(v) * s) and rint by exact fractions: every candidate is compared, nothing is shifted.
    function testFuzz_rescaleIsTheNearestOfTheRoundedProduct(int64 value, uint32 mantissa, uint256 exponent)
        public
        pure
    {
        uint256 biased = bound(exponent, 100, 156);
        uint256 bits = (biased << 23) | (mantissa & 0x7fffff);
        int256 found = Float32Lib.rescale(value, bits);
        uint256 magnitude = value < 0 ? uint256(-int256(value)) : uint256(int256(value));
        // Everything in units of 2^-100.
        uint256 product = nearest24(magnitude) * ((mantissa & 0x7fffff) | 0x800000);
        product = nearest24(product) << (biased - 50);
        uint256 one = 1 << 100;
        uint256 low = product / one;
        uint256 rest = product - low * one;
        if (2 * rest > one || (2 * rest == one && low % 2 == 1)) ++low;
        if (low > 1 << 32) low = 1 << 32;
        vm.assertTrue(found == (value < 0 ? -int256(low) : int256(low)), "rescale");
    }

    function testFuzz_unusableScalesGiveZero(int64 value, uint32 bits) public pure {
        uint256 biased = uint256(bits) >> 23;
        if (biased >= 1 && biased <= 254) bits |= 0x80000000;
        vm.assertTrue(Float32Lib.rescale(value, bits) == 0, "unusable");
        vm.assertTrue(Float32Lib.rescale(value, 0x7f800000) == 0, "infinite");
        vm.assertTrue(Float32Lib.rescale(value, bits & 0x7fffff) == 0, "subnormal");
    }

    function test_rescaleOfExtremesIsDefined() public pure {
        vm.assertTrue(Float32Lib.rescale(type(int64).min, 0x7f7fffff) == -(1 << 32), "saturates");
        vm.assertTrue(Float32Lib.rescale(type(int64).max, 0x7f7fffff) == 1 << 32, "saturates");
        vm.assertTrue(Float32Lib.rescale(type(int64).min, 0x00800000) == 0, "vanishes");
        vm.assertTrue(Float32Lib.rescale(3, 0x3f000000) == 2, "tie to even");
        vm.assertTrue(Float32Lib.rescale(-5, 0x3f000000) == -2, "tie to even");
    }

    /// @dev The multiple of a power of two with 24 significant bits that is nearest, ties to even.
    function nearest24(uint256 value) private pure returns (uint256) {
        uint256 unit = 1;
        while (value / unit >= 1 << 24) unit *= 2;
        uint256 low = value / unit;
        uint256 rest = value - low * unit;
        if (2 * rest > unit || (2 * rest == unit && low % 2 == 1)) ++low;
        return low * unit;
    }

    function testFuzz_rootOfBytesIsTheTreeOfItsLeaves(bytes32 seed, uint256 length) public view {
        bytes memory data = bytesOf(seed, bound(length, 1, 5000));
        vm.assertEq(this.rootOf(data), treeOf(data), "root");
    }

    function test_rootOfBytesAtLeafBoundaries() public view {
        uint256[8] memory lengths = [uint256(1), 255, 256, 257, 512, 513, 1024, 1025];
        for (uint256 i = 0; i < lengths.length; ++i) {
            bytes memory data = bytesOf(bytes32(i), lengths[i]);
            vm.assertEq(this.rootOf(data), treeOf(data), "root");
        }
    }

    function rootOf(bytes calldata data) external view returns (bytes32) {
        return MerkleLib.rootOfBytes(data);
    }

    function treeOf(bytes memory data) private pure returns (bytes32) {
        uint256 depth = 0;
        while (256 << depth < data.length) ++depth;
        bytes32[] memory nodes = new bytes32[](1 << depth);
        for (uint256 i = 0; i < nodes.length; ++i) {
            bytes memory leaf = new bytes(256);
            for (uint256 j = 0; j < 256 && 256 * i + j < data.length; ++j) {
                leaf[j] = data[256 * i + j];
            }
            nodes[i] = sha256(leaf);
        }
        return reduced(nodes);
    }

    function testFuzz_frontierIsTheTreeOfItsLeaves(bytes32 seed, uint256 count) public view {
        count = bound(count, 1, 70);
        bytes32[] memory frontier = new bytes32[](FrontierLib.LEVELS);
        bytes32[] memory nodes = new bytes32[](1 << Sha256Lib.depthOf(count));
        for (uint256 i = 0; i < count; ++i) {
            nodes[i] = keccak256(abi.encode(seed, i));
            FrontierLib.append(frontier, i, nodes[i]);
        }
        vm.assertEq(FrontierLib.root(frontier, count), reduced(nodes), "root");
    }

    function reduced(bytes32[] memory nodes) private pure returns (bytes32) {
        for (uint256 width = nodes.length; width > 1; width /= 2) {
            for (uint256 i = 0; i < width / 2; ++i) {
                nodes[i] = sha256(abi.encodePacked(nodes[2 * i], nodes[2 * i + 1]));
            }
        }
        return nodes[0];
    }

    function bytesOf(bytes32 seed, uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            if (i % 32 == 0) seed = keccak256(abi.encode(seed));
            data[i] = seed[i % 32];
        }
    }

    function filled(bytes1 value, uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            data[i] = value;
        }
    }
}
