# SPDX-License-Identifier: Apache-2.0
"""CRC-32C (Castagnoli), which VHDX guards its structures with.

The standard library has none. Most of a VHDX table is zeros, and a run of
zeros at the end is not gone through byte by byte: appending n zero bytes
multiplies the remainder by x^8n, modulo the polynomial.
"""

from __future__ import annotations

import functools

#: The polynomial, bits reversed (RFC 3720, 12.1).
_POLYNOMIAL = 0x82f63b78
_MASK = 0xffffffff


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _table()


def _multiply(a: int, b: int) -> int:
    """Multiply two remainders; the highest bit is the constant term."""
    product = 0
    while a:
        if a & 1 << 31:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
        a = a << 1 & _MASK
    return product


@functools.cache
def _zeros(exponent: int) -> int:
    """What 2^exponent zero bytes multiply by."""
    if exponent == 0:
        return 1 << 23  # x^8
    return _multiply(_zeros(exponent - 1), _zeros(exponent - 1))


def _append_zeros(crc: int, count: int) -> int:
    for exponent in range(count.bit_length()):
        if count >> exponent & 1:
            crc = _multiply(crc, _zeros(exponent))
    return crc


def checksum(data: bytes, hole: int) -> int:
    """The checksum of a structure whose own checksum counts as zero.

    :param hole: where the four bytes of the checksum lie
    """
    data = data[:hole] + bytes(4) + data[hole + 4:]
    filled = data.rstrip(b'\0')
    crc = _MASK
    for byte in filled:
        crc = _TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return _append_zeros(crc, len(data) - len(filled)) ^ _MASK
