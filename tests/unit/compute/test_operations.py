# SPDX-License-Identifier: Apache-2.0

import functools
from unittest import mock

from hyperv_sched import compatibility
from hyperv_sched import objects
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.compute import checks
from hyperv_sched.compute import operations
from tests.unit import base
from tests.unit.compute import requests

GENERATION_1 = requests.GENERATION_1
GENERATION_2 = {**requests.GENERATION_2, 'id': 'image',
                'disk_format': 'vhdx'}
OLD = ('hyperv', 6002)

#: A request for each finding that can refuse an operation.
REQUESTS = {
    'HV501': functools.partial(requests.make, GENERATION_2, OLD),
    'HV502': functools.partial(
        requests.make, {**GENERATION_2, 'interactive_serial_port': '3'}),
    # The scheduler rejects it, too.
    'HV405': functools.partial(
        requests.make, {**GENERATION_2, 'architecture': 'i686'}),
    'HV503': functools.partial(
        requests.make, GENERATION_2, disk_buses=('ide',)),
    'HV504': functools.partial(
        requests.make, GENERATION_1, server=GENERATION_2),
    'HV506': functools.partial(
        requests.make, GENERATION_1,
        read_older_release=lambda: ('10.0.17763', '10.0.20348')),
    'HV509': functools.partial(
        requests.make, GENERATION_2, content=checks.ImageUnavailableError(
            checks.image_unreadable('image', OSError(5, 'I/O error')))),
}

#: By operation: the code that each of REQUESTS is refused with, and the
#: exception of Nova.
REFUSALS = {
    'prepare_for_spawn': {
        'HV405': ('HV502', 'InstanceUnacceptable'),
        'HV501': ('HV501', 'ComputeResourcesUnavailable'),
        'HV502': ('HV502', 'InstanceUnacceptable')},
    'spawn': {
        'HV405': ('HV502', 'ImageUnacceptable'),
        'HV501': ('HV501', 'ComputeResourcesUnavailable'),
        'HV502': ('HV502', 'ImageUnacceptable'),
        'HV503': ('HV503', 'InvalidDiskInfo'),
        # The server was created as the other generation.
        'HV504': ('HV502', 'ImageUnacceptable'),
        'HV509': ('HV509', 'ComputeResourcesUnavailable')},
    'rebuild': {
        'HV405': ('HV505', 'ImageUnacceptable'),
        'HV501': ('HV505', 'ImageUnacceptable'),
        'HV502': ('HV505', 'ImageUnacceptable'),
        'HV503': ('HV505', 'ImageUnacceptable'),
        'HV504': ('HV505', 'ImageUnacceptable'),
        'HV509': ('HV505', 'ImageUnacceptable')},
    'evacuate': {
        'HV405': ('HV502', 'ImageUnacceptable'),
        'HV501': ('HV501', 'ImageUnacceptable'),
        'HV502': ('HV502', 'ImageUnacceptable'),
        'HV503': ('HV503', 'ImageUnacceptable'),
        'HV504': ('HV502', 'ImageUnacceptable'),
        'HV509': ('HV509', 'ImageUnacceptable')},
    'rescue': {
        'HV405': ('HV502', 'ImageUnacceptable'),
        'HV501': ('HV501', 'ImageUnacceptable'),
        'HV502': ('HV502', 'ImageUnacceptable'),
        'HV504': ('HV504', 'ImageUnacceptable'),
        'HV509': ('HV509', 'ImageUnacceptable')},
    'attach_volume': {'HV503': ('HV503', 'InvalidDiskInfo')},
    'check_can_live_migrate_destination': {
        'HV405': ('HV501', 'MigrationPreCheckError'),
        'HV501': ('HV501', 'MigrationPreCheckError'),
        'HV506': ('HV506', 'MigrationPreCheckError')},
    'pre_live_migration': {
        'HV405': ('HV501', 'MigrationPreCheckError'),
        'HV501': ('HV501', 'MigrationPreCheckError'),
        'HV506': ('HV506', 'MigrationPreCheckError')},
    'migrate_disk_and_power_off': {
        'HV405': ('HV501', 'InstanceFaultRollback'),
        'HV501': ('HV501', 'InstanceFaultRollback'),
        'HV506': ('HV506', 'InstanceFaultRollback')},
    'finish_migration': {
        'HV405': ('HV501', 'ImageUnacceptable'),
        'HV501': ('HV501', 'ImageUnacceptable'),
        'HV506': ('HV506', 'ImageUnacceptable')},
    'finish_revert_migration': {
        'HV405': ('HV501', 'ImageUnacceptable'),
        'HV501': ('HV501', 'ImageUnacceptable'),
        'HV506': ('HV506', 'ImageUnacceptable')},
}


class TableTestCase(base.TestCase):

    def test_each_operation_refuses_with_the_exception_of_nova(self):
        for name, operation in operations.OPERATIONS.items():
            refusals = {}
            for code, make in REQUESTS.items():
                finding = operations.run_checks(name, make())
                if finding is not None:
                    refusals[code] = (
                        finding.code,
                        operation.effect_of(finding.code).exception)
            self.assertEqual(REFUSALS[name], refusals, name)
        self.assertEqual(set(REFUSALS), set(operations.OPERATIONS))

    def test_good_server_passes_every_operation(self):
        for name in operations.OPERATIONS:
            for document in (GENERATION_1, GENERATION_2, {}):
                self.assertIsNone(operations.run_checks(
                    name, requests.make(document, disk_buses=('scsi',))))

    def test_methods_are_those_of_the_driver(self):
        self.assertEqual(
            {name: 'rebuild' if name == 'evacuate' else name
             for name in operations.OPERATIONS},
            {name: operation.method
             for name, operation in operations.OPERATIONS.items()})

    def test_image_at_fault_is_reported_before_the_host(self):
        vhd = requests.make(GENERATION_2, OLD, requests.VHD)
        for name in ('prepare_for_spawn', 'spawn', 'evacuate', 'rescue'):
            finding = operations.run_checks(name, vhd)
            self.assertEqual(('HV502', 'HV202'),
                             (finding.code, finding.cause.code), name)

    def test_order_of_the_checks_of_a_spawn(self):
        wrong = {**GENERATION_2, 'architecture': 'i686'}
        unreadable = checks.ImageUnavailableError(
            checks.image_not_found('image'))
        for code, request in (
                # Each has all faults that follow.
                ('HV109', requests.make(wrong, OLD, unreadable, GENERATION_1,
                                        disk_buses=('ide',))),
                ('HV503', requests.make(GENERATION_2, OLD, unreadable,
                                        GENERATION_1, disk_buses=('ide',))),
                ('generation', requests.make(GENERATION_2, OLD, unreadable,
                                             GENERATION_1)),
                ('deleted', requests.make(GENERATION_2, OLD, unreadable)),
                ('HV402', requests.make(GENERATION_2, OLD))):
            finding = operations.run_checks('spawn', request)
            words = {'generation': 'created as',
                     'deleted': 'is deleted'}.get(code, code)
            self.assertIn(words, f'{finding} {finding.cause}', code)

    def test_rescue_image_has_no_say_on_firmware_settings(self):
        server = {**GENERATION_2, 'os_type': 'windows'}
        for setting in ('os_secure_boot', 'os_vtpm', 'os_shielded_vm'):
            image = {**GENERATION_2, setting: 'required'}
            request = requests.make(image, server=server)
            self.assertIsNone(
                operations.run_checks('rescue', request), setting)
            self.assertEqual('HV502', operations.run_checks(
                'spawn', request).code, setting)

    def test_fix_names_no_other_host_where_nova_tries_none(self):
        for name, fix in (
                ('prepare_for_spawn', 'Another host may do'),
                ('spawn', 'Another host may do'),
                ('evacuate', 'Another host may do'),
                ('pre_live_migration', 'Another host may do'),
                ('rebuild', 'Rebuild with an image that this host can run'),
                ('rescue', 'Rescue with an image that this host can run'),
                ('finish_migration', 'Ask the administrator of the cloud: '
                 'the disk of the guest is on this host'),
                ('finish_revert_migration', 'Ask the administrator of the '
                 'cloud: the disk of the guest is on this host')):
            self.assertEqual(fix, operations.run_checks(
                name, REQUESTS['HV501']()).fix, name)

    def test_older_windows_is_refused_with_both_builds(self):
        for name, fix in (
                ('migrate_disk_and_power_off',
                 'Migrate to a host of at least this release'),
                ('finish_migration', 'Ask the administrator of the cloud: '
                 'the disk of the guest is on this host')):
            self.assertEqual(
                'HV506 host-older-release: the guest was made on Windows '
                f'10.0.20348, and the host runs 10.0.17763. {fix}',
                str(operations.run_checks(name, REQUESTS['HV506']())))

    def test_image_that_is_not_readable_now_is_tried_later(self):
        error = checks.ImageUnavailableError(
            checks.image_unreadable('image', OSError(5, 'I/O error')))
        image = {**GENERATION_2, 'os_type': 'linux', 'id': 'image'}
        for name in ('spawn', 'rebuild', 'rescue'):
            self.assertEqual('Try again later', operations.run_checks(
                name, requests.make(image, content=error)).fix, name)


class CostTestCase(base.TestCase):
    """How often the parts of a decision are evaluated for one good server."""

    def count(self, name):
        """Return the validations, decisions and readings of the host."""
        request = requests.make(
            {**GENERATION_2, 'os_type': 'linux'}, disk_buses=('scsi',),
            server={**GENERATION_2, 'os_type': 'linux'})
        with mock.patch.object(
                validators, 'validate',
                wraps=validators.validate) as validate, \
                mock.patch.object(
                    compatibility, 'check_host',
                    wraps=compatibility.check_host) as decide, \
                mock.patch.object(
                    objects.HostCapability, 'from_reported',
                    wraps=objects.HostCapability.from_reported) as read:
            self.assertIsNone(operations.run_checks(name, request))
        return (validate.call_count, decide.call_count, read.call_count)

    def test_each_is_evaluated_once(self):
        # Validations are of all properties, and of these with the format of
        # the file. The first request with the same three properties that
        # make demands on a host has one more, of these three.
        for name, first, later in (
                ('prepare_for_spawn', (2, 1, 1), (1, 1, 1)),
                ('spawn', (3, 1, 1), (2, 1, 1)),
                ('rebuild', (3, 1, 1), (2, 1, 1)),
                ('rescue', (3, 1, 1), (2, 1, 1)),
                ('finish_migration', (1, 1, 1), (0, 1, 1)),
                ('attach_volume', (0, 0, 0), (0, 0, 0))):
            compatibility._requirement.cache_clear()
            self.assertEqual([first, later],
                             [self.count(name), self.count(name)], name)


class ReasonTestCase(base.TestCase):
    """The text of a finding where there is little room."""

    VHD = operations.run_checks('spawn', requests.make(
        GENERATION_2, content=requests.VHD))
    CAUSE = 'HV202 the file is VHD, generation 2 runs only from VHDX. '
    MORE = 'More: hyperv-sched rule show HV202'

    def test_text_that_fits_is_whole(self):
        whole = str(self.VHD)
        size = len(whole)
        self.assertEqual(f'HV502 image-unusable: {self.CAUSE}{self.VHD.fix}',
                         whole)
        self.assertEqual(whole, operations.reason(self.VHD, size))
        self.assertEqual(f'HV502: {self.CAUSE}{self.VHD.fix}',
                         operations.reason(self.VHD, size - 1))

    def test_fix_that_is_too_long_becomes_the_command_that_shows_it(self):
        shortest = f'HV502: {self.CAUSE}{self.VHD.fix}'
        self.assertEqual(shortest,
                         operations.reason(self.VHD, len(shortest)))
        self.assertEqual(f'HV502: {self.CAUSE}{self.MORE}',
                         operations.reason(self.VHD, len(shortest) - 1))

    def test_long_value_leaves_room_for_code_and_command(self):
        finding = operations.run_checks('spawn', requests.make({
            **GENERATION_2, 'hw_machine_type': 'hyperv-' + '漢' * 500}))
        for size in (255, 187, 118, 100):
            reason = operations.reason(finding, size)
            self.assertLessEqual(len(reason.encode()), size)
            self.assertGreater(len(reason.encode()), size - 6)
            start = "HV502: HV101 hw_machine_type is 'hyperv-"
            self.assertEqual(start, reason[:len(start)])
            end = '... More: hyperv-sched rule show HV101'
            self.assertEqual(end, reason[-len(end):])

    def test_shortened_value_is_not_followed_by_a_full_stop(self):
        finding = operations.run_checks('rebuild', requests.make({
            **GENERATION_2, 'hypervisor_version_requires':
            '>=10.0,' + ','.join(['>=6.3'] * 41)}, ('hyperv', 6003)))
        reason = operations.reason(finding, 255)
        self.assertIn('... Rebuild with an image', reason)
        self.assertNotIn('....', reason)

    def test_cause_replaces_the_words_on_this_host(self):
        finding = operations.run_checks('spawn', REQUESTS['HV501']())
        self.assertEqual(
            'HV501: HV402 the host runs Hyper-V 6.2, generation 2 needs '
            '>=6.3. Another host may do', operations.reason(finding, 115))

    def test_finding_without_a_cause_shows_its_own_rule(self):
        finding = rules.CATALOGUE['HV504'].finding(
            'image', 'hyperv-gen1', 'hyperv-gen2')
        self.assertEqual(
            'HV504: the rescue image is hyperv-gen1, the server is hyperv-g'
            '... More: hyperv-sched rule show HV504',
            operations.reason(finding, 100))

    def test_room_is_what_the_words_of_nova_leave_of_255_bytes(self):
        rooms = {
            (name, code): operation.effect_of(code).room
            for name, operation in operations.OPERATIONS.items()
            for code in ('HV501', 'HV502')}
        for (name, code), room in (
                (('spawn', 'HV501'), 114), (('spawn', 'HV502'), 191),
                (('prepare_for_spawn', 'HV502'), 191),
                (('rescue', 'HV502'), 176), (('rebuild', 'HV502'), 255),
                (('pre_live_migration', 'HV501'), 228),
                (('migrate_disk_and_power_off', 'HV501'), 219),
                (('finish_migration', 'HV501'), 255)):
            self.assertEqual(room, rooms[name, code], (name, code))
