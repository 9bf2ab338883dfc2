# SPDX-License-Identifier: Apache-2.0
"""Compression of what the readers decompress."""

import sys
import zlib

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ['deflate', 'zstd']


def deflate(data):
    """Compress data as qemu-img compresses the clusters of a qcow2."""
    compressor = zlib.compressobj(wbits=-12)
    return compressor.compress(data) + compressor.flush()
