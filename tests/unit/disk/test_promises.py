# SPDX-License-Identifier: Apache-2.0
"""What the fuzzer starts from, and what it checks, without the fuzzer."""

from tests.fuzz import promises
from tests.fuzz import repair
from tests.fuzz import seeds
from tests.fuzz import sparse
from tests.unit import base


class PromisesTestCase(base.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.encoded = [file.encode() for file in seeds.files()]

    def files(self):
        return map(sparse.Sparse.decode, self.encoded)

    def test_hold_of_each_seed(self):
        formats = {promises.keeps(file).format for file in self.files()}
        self.assertEqual({'vhdx', 'vhd', 'raw', 'qcow2', 'unknown'}, formats)

    def test_good_checksums_stay(self):
        for file in self.files():
            before = file.encode()
            sector = promises.keeps(file).logical_sector_size
            repair.checksums(file, sector or 512)
            self.assertEqual(before, file.encode())

    def test_wrong_checksums_are_put_right(self):
        for file in self.files():
            whole = promises.keeps(file)
            for offset, run in file.runs:
                for at in range(-offset % 512, len(run), 512):
                    for mark, hole in ((b'head', 4), (b'regi', 4),
                                       (b'conectix', 64), (b'cxsparse', 36),
                                       (b'EFI PART', 16)):
                        if run[at:].startswith(mark):
                            run[at + hole] ^= 1
            repair.checksums(file, whole.logical_sector_size or 512)
            self.assertEqual(whole.defects, promises.keeps(file).defects)

    def test_sparse_files_are_what_they_were_made_of(self):
        data = bytes(700) + b'a' * 900 + bytes(1000) + b'b'
        file = sparse.Sparse.decode(sparse.Sparse.of(data).encode())
        self.assertEqual(len(data), file.size)
        self.assertEqual(data, file.read(0, file.size))
