"""Keccak-256, the EVM's hash: dissections are committed with it (the standard library lacks it).

Source: the Keccak reference, version 3.0: rate 1088 bits, padding 0x01 … 0x80, 24 rounds.
"""

from __future__ import annotations

import struct

_RATE_BYTES = 136
_MASK = (1 << 64) - 1
_LANES = struct.Struct("<17Q")
_DIGEST = struct.Struct("<4Q")


def _rotations() -> tuple[int, ...]:
    """Return the rho offset of each lane `x + 5y`."""
    offsets = [0] * 25
    x, y = 1, 0
    for t in range(24):
        offsets[x + 5 * y] = (t + 1) * (t + 2) // 2 % 64
        x, y = y, (2 * x + 3 * y) % 5
    return tuple(offsets)


def _round_constants() -> tuple[int, ...]:
    """Return the iota constants, from the degree-8 LFSR x^8 + x^6 + x^5 + x^4 + 1."""
    constants = []
    register = 1
    for _ in range(24):
        constant = 0
        for bit in range(7):
            if register & 1:
                constant |= 1 << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return tuple(constants)


_ROUND_CONSTANTS = _round_constants()
# Lane x + 5y of the state goes to y + 5·((2x + 3y) mod 5), rotated: rho and pi in one table.
_MOVES = tuple(
    (x + 5 * y, y + 5 * ((2 * x + 3 * y) % 5), _rotations()[x + 5 * y])
    for y in range(5)
    for x in range(5)
)


def _permute(state: list[int]) -> list[int]:
    """Return the state after the 24 rounds."""
    moved = [0] * 25
    for constant in _ROUND_CONSTANTS:
        a, b, c, d, e = (
            state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
            for x in range(5)
        )
        theta = (
            e ^ (b << 1 & _MASK | b >> 63),
            a ^ (c << 1 & _MASK | c >> 63),
            b ^ (d << 1 & _MASK | d >> 63),
            c ^ (e << 1 & _MASK | e >> 63),
            d ^ (a << 1 & _MASK | a >> 63),
        )
        for source, target, shift in _MOVES:
            lane = state[source] ^ theta[source % 5]
            moved[target] = (lane << shift & _MASK) | lane >> (64 - shift)
        for y in range(0, 25, 5):
            p, q, r, s, t = moved[y : y + 5]
            state[y] = p ^ (~q & r)
            state[y + 1] = q ^ (~r & s)
            state[y + 2] = r ^ (~s & t)
            state[y + 3] = s ^ (~t & p)
            state[y + 4] = t ^ (~p & q)
        state[0] ^= constant
    return state


def keccak256(data: bytes) -> bytes:
    """Return the Keccak-256 digest of `data`."""
    padding = bytearray(_RATE_BYTES - len(data) % _RATE_BYTES)
    padding[0] ^= 0x01
    padding[-1] ^= 0x80
    padded = data + padding
    state = [0] * 25
    for offset in range(0, len(padded), _RATE_BYTES):
        for lane, word in enumerate(_LANES.unpack_from(padded, offset)):
            state[lane] ^= word
        state = _permute(state)
    return _DIGEST.pack(*state[:4])
