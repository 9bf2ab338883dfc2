# SPDX-License-Identifier: Apache-2.0
"""Files of a test's own."""

import io
import pathlib

import fixtures


class FilesMixin:
    """A directory that is gone after the test, below a testtools.TestCase."""

    def setUp(self):
        super().setUp()
        self.directory = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path)

    def file(self, name, data):
        """Write a file, and return its path."""
        path = self.directory / name
        path.write_bytes(data)
        return str(path)


class CountingFile(io.BytesIO):
    """A file that counts the bytes that are read."""

    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        return data
