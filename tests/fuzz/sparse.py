# SPDX-License-Identifier: Apache-2.0
"""Files of any size in a few bytes: all but the runs of bytes are zeros.

As bytes, little endian: the size of the file u64, then runs: offset u64,
length u32, data. Later runs overwrite earlier ones.
"""

import struct

_SIZE = struct.Struct('<Q')
_RUN = struct.Struct('<QI')
_SECTOR = 512
#: The largest file of any file system.
MAX_SIZE = 2 ** 63 - 1


class Sparse:
    """A file in memory, which is a source of the reader."""

    def __init__(self, size, runs=()):
        self.size = min(size, MAX_SIZE)
        self.runs = [(offset, bytearray(data)) for offset, data in runs]
        #: The number of reads, and the bytes of all reads.
        self.reads = 0
        self.bytes_read = 0

    @classmethod
    def of(cls, data):
        """Return the sparse file of some bytes."""
        runs = []
        for offset in range(0, len(data), _SECTOR):
            sector = data[offset:offset + _SECTOR]
            if not any(sector):
                continue
            if runs and runs[-1][0] + len(runs[-1][1]) == offset:
                runs[-1][1].extend(sector)
            else:
                runs.append((offset, bytearray(sector)))
        return cls(len(data), runs)

    @classmethod
    def decode(cls, data):
        """Decode any bytes; a run that is cut off ends with zeros."""
        size, = _SIZE.unpack(data[:_SIZE.size].ljust(_SIZE.size, b'\0'))
        runs, position = [], _SIZE.size
        while position + _RUN.size <= len(data):
            offset, length = _RUN.unpack_from(data, position)
            position += _RUN.size
            runs.append((offset, data[position:position + length]))
            position += length
        return cls(size, runs)

    def encode(self):
        """Return the bytes that decode() takes."""
        return _SIZE.pack(self.size) + b''.join(
            _RUN.pack(offset, len(data)) + data for offset, data in self.runs)

    def peek(self, offset, length):
        """Read a range that need not be inside of the file."""
        result = bytearray(length)
        for start, data in self.runs:
            first = max(start, offset)
            last = min(start + len(data), offset + length)
            if first < last:
                result[first - offset:last - offset] = (
                    data[first - start:last - start])
        return bytes(result)

    def poke(self, offset, data):
        """Write into runs; bytes outside of runs are dropped."""
        for start, run in self.runs:
            first = max(start, offset)
            last = min(start + len(run), offset + len(data))
            if first < last:
                run[first - start:last - start] = (
                    data[first - offset:last - offset])

    def read(self, offset, length):
        """Read a range that must be inside of the file."""
        assert offset >= 0 and 0 < length <= self.size - offset, (
            offset, length)
        self.reads += 1
        self.bytes_read += length
        return self.peek(offset, length)
