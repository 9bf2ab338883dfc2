# SPDX-License-Identifier: Apache-2.0
"""CRC-32C (Castagnoli), the checksum of the structures of a VHDX.

The standard library has none. Most of a VHDX table is zeros, and zeros at
the end are not processed byte by byte: to append n zero bytes is to multiply
the remainder by x^8n, modulo the polynomial.
"""

from __future__ import annotations

from hyperv_sched import caching

#: The polynomial, bits reversed (RFC 3720, 12.1).
_POLYNOMIAL = 0x82f63b78
_MASK = 0xffffffff


def _divide(byte: int) -> int:
    """Return the remainder of a byte."""
    for _ in range(8):
        byte = byte >> 1 ^ (_POLYNOMIAL if byte & 1 else 0)
    return byte


_TABLE = tuple(map(_divide, range(256)))


def _multiply(a: int, b: int) -> int:
    """Multiply two remainders, whose highest bit is the constant term."""
    product = 0
    while a:
        if a & 1 << 31:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
        a = a << 1 & _MASK
    return product


# A file has few structures, mostly in two copies.
@caching.cache_small
def _zeros_factor(count: int) -> int:
    """Return the factor for appending zero bytes."""
    factor, power = 1 << 31, 1 << 23  # 1 and x^8
    while count:
        if count & 1:
            factor = _multiply(factor, power)
        power = _multiply(power, power)
        count >>= 1
    return factor


def checksum(data: bytes, checksum_offset: int) -> int:
    """Return the checksum of a structure that contains its own checksum.

    :param checksum_offset: offset of the four bytes of the checksum, which
        count as zeros
    """
    data = data[:checksum_offset] + bytes(4) + data[checksum_offset + 4:]
    filled = data.rstrip(b'\0')
    crc = _MASK
    for byte in filled:
        crc = _TABLE[(crc ^ byte) & 0xff] ^ crc >> 8
    return _multiply(crc, _zeros_factor(len(data) - len(filled))) ^ _MASK
