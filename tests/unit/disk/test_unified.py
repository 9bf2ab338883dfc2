# SPDX-License-Identifier: Apache-2.0

import io
from unittest import mock

from hyperv_sched import disk
from hyperv_sched.disk import systemd_boot
from hyperv_sched.disk import unified
from tests import guests
from tests import initrds
from tests import signing
from tests.unit import base

LOADER = 'EFI/BOOT/BOOTX64.EFI'
VERSION = '6.1.0-1-amd64'
BOTH = ('hv_vmbus', 'hv_storvsc')


def kernel(initrd=None, version=VERSION):
    """Return a unified kernel image."""
    sections = {'linux': b'kernel', 'uname': f'{version}\n'.encode()}
    return signing.program(**sections, **(
        {} if initrd is None else {'initrd': initrd}))


class UnifiedTestCase(base.TestCase):

    def inspect(self, program, drivers=True):
        return self.inspect_files({LOADER: program}, drivers)

    def inspect_files(self, files, drivers=True, others=()):
        return disk.inspect_file(io.BytesIO(guests.gpt([
            (guests.ESP, 64, guests.fat(files)), *others])), drivers=drivers)

    def check(self, expected, *args, **kwargs):
        result = self.inspect(kernel(*args, **kwargs))
        self.assertEqual('uefi', result.firmware)
        self.assertEqual(
            expected and dict(zip(BOTH, expected, strict=True)),
            result.hyperv_drivers)
        return result.defects.get(disk.Defect.HYPERV_DRIVERS_MISSING)

    def test_where_the_drivers_are(self):
        for expected, modules, built_in in (
                (('initrd', 'initrd'), BOTH, ()),
                (('built in', 'built in'), (), BOTH),
                (('built in', 'initrd'), BOTH[1:], BOTH[:1])):
            self.assertIsNone(self.check(expected, initrds.initrd(
                VERSION, modules, built_in)))

    def test_missing_drivers_are_a_defect(self):
        self.assertEqual(
            '\\EFI\\BOOT\\BOOTX64.EFI has no hv_storvsc',
            self.check(('initrd', 'missing'),
                       initrds.initrd(VERSION, BOTH[:1])))
        self.assertEqual(
            '\\EFI\\BOOT\\BOOTX64.EFI has no hv_vmbus and no hv_storvsc',
            self.check(('missing', 'missing'), initrds.initrd(VERSION)))

    def test_drivers_of_another_kernel_do_not_count(self):
        other = initrds.initrd('6.2', BOTH)
        self.assertIsNotNone(self.check(
            ('missing', 'missing'), initrds.initrd(VERSION) + other))
        self.assertIsNone(self.check(None, other))

    def test_kernel_without_a_version_has_that_of_the_initrd(self):
        self.check(('initrd', 'initrd'), initrds.initrd(VERSION, BOTH),
                   version='')
        self.check(None, initrds.initrd(VERSION, BOTH)
                   + initrds.initrd('6.2', BOTH), version='')

    def test_what_is_not_certain_is_not_reported(self):
        for initrd in (None, b'damaged', initrds.archive({'a': b''})):
            self.assertIsNone(self.check(None, initrd))

    def test_only_modules_of_a_kernel_count(self):
        listed = initrds.initrd(VERSION)
        for name, expected in (
                ('lib/modules/6.1.0-1-amd64/hv_storvsc.ko', 'initrd'),
                ('./usr/lib/modules/6.1.0-1-amd64/updates/hv_storvsc.ko.zst',
                 'initrd'),
                ('mylib/modules/6.1.0-1-amd64/hv_storvsc.ko', 'missing'),
                ('lib/modules/6.1.0-1-amd64/my-hv_storvsc.ko', 'missing'),
                ('lib/modules/6.1.0-1-amd64/hv_storvsc.ko/a', 'missing'),
                ('lib/modules/6.1.0-1-amd64/hv_storvsc', 'missing'),
                ('lib/modules/hv_storvsc.ko', 'missing'),
                ('hv_storvsc.ko', 'missing')):
            self.check(('missing', expected),
                       listed + initrds.archive({name: b''}))

    def test_the_only_entry_of_systemd_boot(self):
        menu = signing.program(sdmagic=b'#### LoaderInfo: systemd-boot 257')
        image = signing.program(
            osrel=b'NAME=OS', linux=b'kernel', uname=VERSION.encode(),
            initrd=initrds.initrd(VERSION))
        one = {LOADER: menu, 'EFI/Linux/os.efi': image}
        self.assertEqual(
            '\\EFI\\Linux\\os.efi has no hv_vmbus and no hv_storvsc',
            self.inspect_files(one).defects[
                disk.Defect.HYPERV_DRIVERS_MISSING])
        self.assertIsNone(self.inspect_files(
            {**one, 'EFI/Linux/rescue.efi': image}).hyperv_drivers)
        self.assertIsNone(self.inspect_files(one, others=[
            (systemd_boot.EXTENDED_BOOT_LOADER, 2048, bytes(512))
        ]).hyperv_drivers)

    def test_other_programs_and_other_readers(self):
        initrd = initrds.initrd(VERSION)
        for result in (self.inspect(signing.program(initrd=initrd)),
                       self.inspect(kernel(initrd), drivers=False)):
            self.assertEqual(('uefi', None),
                             (result.firmware, result.hyperv_drivers))

    def test_size_is_limited(self):
        initrd = initrds.initrd(VERSION, BOTH)
        initrd += bytes(-len(initrd) % 512)
        for limit, expected in ((len(initrd), ('initrd', 'initrd')),
                                (len(initrd) - 1, None)):
            with mock.patch.object(unified, 'MAX_INITRD', limit):
                self.check(expected, initrd)
