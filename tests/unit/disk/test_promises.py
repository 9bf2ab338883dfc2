# SPDX-License-Identifier: Apache-2.0
"""The seeds and the checks of the fuzzer, without the fuzzer."""

from hyperv_sched.disk import secure_boot
from tests.fuzz import promises
from tests.fuzz import repair
from tests.fuzz import seeds
from tests.fuzz import sparse
from tests.unit import base

#: Signatures of structures, and offsets of their checksums.
CHECKSUMS = ((b'head', 4), (b'regi', 4), (b'conectix', 64),
             (b'cxsparse', 36), (b'EFI PART', 16))


class PromisesTestCase(base.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.encoded = [file.encode() for file in seeds.files()]

    def files(self):
        return map(sparse.Sparse.decode, self.encoded)

    def test_each_seed_keeps_the_promises(self):
        formats = {promises.check(file).format for file in self.files()}
        self.assertEqual(
            {'vhdx', 'vhd', 'raw', 'qcow2', 'vmdk', 'unknown'}, formats)

    def test_each_seed_keeps_them_with_secure_boot(self):
        policy = secure_boot.Policy.of_years(())
        signed = [file for file in self.files()
                  if promises.check(file, policy).secure_boot]
        self.assertGreater(len(signed), 1)

    def test_valid_checksums_are_kept(self):
        for file in self.files():
            before = file.encode()
            sector = promises.check(file).logical_sector_size
            repair.checksums(file, sector or 512)
            self.assertEqual(before, file.encode())

    def test_wrong_checksums_are_repaired(self):
        for file in self.files():
            intact = promises.check(file)
            for offset, run in file.runs:
                for start in range(-offset % 512, len(run), 512):
                    for signature, checksum in CHECKSUMS:
                        if run[start:].startswith(signature):
                            run[start + checksum] ^= 1
            repair.checksums(file, intact.logical_sector_size or 512)
            self.assertEqual(intact.defects, promises.check(file).defects)

    def test_sparse_files_have_the_bytes_of_their_origin(self):
        data = bytes(700) + b'a' * 900 + bytes(1000) + b'b'
        file = sparse.Sparse.decode(sparse.Sparse.of(data).encode())
        self.assertEqual(len(data), file.size)
        self.assertEqual(data, file.read(0, file.size))
