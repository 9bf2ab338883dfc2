# SPDX-License-Identifier: Apache-2.0
"""Files of any size in a few bytes: what is not written is zeros.

As bytes, little endian: the size of the file u64, then runs: offset u64,
length u32, data. Later runs lie over earlier ones.
"""

import struct

_SIZE = struct.Struct('<Q')
_RUN = struct.Struct('<QI')
_SECTOR = 512
#: No file system holds a larger file.
MAX_SIZE = 2 ** 63 - 1


class Sparse:
    """A file that lies in memory; a source for the reader."""

    def __init__(self, size, runs=()):
        self.size = min(size, MAX_SIZE)
        self.runs = [(offset, bytearray(data)) for offset, data in runs]
        #: How often it was read, and how much in all.
        self.reads = 0
        self.bytes_read = 0

    @classmethod
    def of(cls, data):
        """A file given as bytes, without its sectors of zeros."""
        runs = []
        for at in range(0, len(data), _SECTOR):
            sector = data[at:at + _SECTOR]
            if not any(sector):
                continue
            if runs and runs[-1][0] + len(runs[-1][1]) == at:
                runs[-1][1].extend(sector)
            else:
                runs.append((at, bytearray(sector)))
        return cls(len(data), runs)

    @classmethod
    def decode(cls, data):
        """Any bytes are a file: what is cut off counts as zeros."""
        size, = _SIZE.unpack(data[:_SIZE.size].ljust(_SIZE.size, b'\0'))
        runs, at = [], _SIZE.size
        while at + _RUN.size <= len(data):
            offset, length = _RUN.unpack_from(data, at)
            at += _RUN.size
            runs.append((offset, data[at:at + length]))
            at += length
        return cls(size, runs)

    def encode(self):
        return _SIZE.pack(self.size) + b''.join(
            _RUN.pack(offset, len(data)) + data for offset, data in self.runs)

    def peek(self, offset, length):
        """Read a range; behind the end there are zeros, too."""
        result = bytearray(length)
        for start, data in self.runs:
            first = max(start, offset)
            last = min(start + len(data), offset + length)
            if first < last:
                result[first - offset:last - offset] = (
                    data[first - start:last - start])
        return bytes(result)

    def poke(self, offset, data):
        """Write into the runs that are there; the rest is lost."""
        for start, run in self.runs:
            first = max(start, offset)
            last = min(start + len(run), offset + len(data))
            if first < last:
                run[first - start:last - start] = (
                    data[first - offset:last - offset])

    def read(self, offset, length):
        assert offset >= 0 and 0 < length <= self.size - offset, (
            offset, length)
        self.reads += 1
        self.bytes_read += length
        return self.peek(offset, length)

    def write_to(self, path):
        """Make a real file of it, sparse as this one."""
        with open(path, 'wb') as file:
            file.truncate(self.size)
            for offset, data in self.runs:
                file.seek(offset)
                file.write(data)
            file.truncate(self.size)
