# SPDX-License-Identifier: Apache-2.0

import io
import struct

from hyperv_sched.disk import reader
from hyperv_sched.disk import references
from tests import samples
from tests.unit import base


def qcow2(version=3, backing=0, features=0):
    data = bytearray(samples.qcow2().ljust(1024, b'\0'))
    struct.pack_into('>IQ', data, 4, version, backing)
    struct.pack_into('>Q', data, 72, features)
    return bytes(data)


def vmdk(capacity=2048, descriptor=b''):
    return struct.pack('<4sIIQ', b'KDMV', 1, 3, capacity).ljust(
        512, b'\0') + descriptor.ljust(20 * 512, b'\0')


class ReferencesTestCase(base.TestCase):

    def find(self, data, image_format):
        return references.find(
            reader.Reader(reader.FileSource(io.BytesIO(data))), image_format)

    def test_qcow2(self):
        for data, expected in (
                (qcow2(), None), (qcow2(2), None),
                (qcow2(backing=1), 'a backing file'),
                (qcow2(2, backing=1 << 63), 'a backing file'),
                (qcow2(features=4), 'a data file'),
                (qcow2(4, features=4), 'a data file'),
                # Dirty, corrupt, compression type and extended L2.
                (qcow2(features=0b11011), None),
                # Version 2 has no features.
                (qcow2(2, features=4), None)):
            self.assertEqual(expected, self.find(data, 'qcow2'))

    def test_qed(self):
        for features, expected in ((1, 'a backing file'), (7, 'a backing '
                                                           'file'),
                                   (0, None), (6, None)):
            data = struct.pack('<4s12xQ', b'QED\0', features)
            self.assertEqual(expected, self.find(data, 'qed'))

    def test_vmdk(self):
        parent = b'# Disk DescriptorFile\nparentFileNameHint="/etc/passwd"'
        for data, expected in (
                (vmdk(), None),
                (vmdk(0), 'files with its data'),
                (vmdk(descriptor=parent), 'a parent'),
                (vmdk(descriptor=parent.upper()), 'a parent'),
                (vmdk(descriptor=b'\n' * (20 * 512 - 18)
                      + b'parentFileNameHint'), 'a parent'),
                (b'# Disk DescriptorFile\n', 'files with its data'),
                (b'COWD'.ljust(512, b'\0') + parent, 'a parent')):
            self.assertEqual(expected, self.find(data, 'vmdk'))

    def test_other_formats_name_nothing(self):
        for name in ('raw', 'vdi', 'vhd', 'vhdx', 'parallels'):
            self.assertIsNone(self.find(qcow2(backing=1), name))

    def test_short_file(self):
        for name in ('qcow2', 'qed', 'vmdk'):
            self.assertIsNone(self.find(b'QED\0', name))
