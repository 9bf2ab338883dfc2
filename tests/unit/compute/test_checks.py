# SPDX-License-Identifier: Apache-2.0

import itertools

from hyperv_sched import rules
from hyperv_sched.compute import checks
from tests.unit import base
from tests.unit.compute import requests

GENERATION_1 = requests.GENERATION_1
GENERATION_2 = requests.GENERATION_2
SECURE = requests.SECURE
SHIELDED = requests.SHIELDED


class TestCase(base.TestCase):

    def assert_finding(self, code, cause, finding):
        """Assert the codes of a finding and of its cause."""
        self.assertEqual(
            (code, cause),
            (finding and finding.code,
             finding and finding.cause and finding.cause.code))


class ImageTestCase(TestCase):

    def check(self, document):
        return checks.check_image(
            requests.make(document, host=None, content=None))

    def test_images_that_some_host_runs_pass(self):
        for document in (
                {}, {'disk_format': 'qcow2'}, GENERATION_1, GENERATION_2,
                SECURE, SHIELDED, {**GENERATION_2, 'disk_format': 'vhd'},
                {'hw_machine_type': 'hyperv-gen2'},
                {**SECURE, 'os_type': 'linux'},
                {'hw_machine_type': 'pc-q35-8.2',
                 'os_secure_boot': 'required'}):
            self.assertIsNone(self.check(document), document)

    def test_images_that_no_host_runs_are_refused(self):
        for cause, document in (
                ('HV101', {'hw_machine_type': 'hyperv-gen3'}),
                ('HV103', {**GENERATION_2, 'hypervisor_type': 'qemu'}),
                ('HV104', {**GENERATION_2,
                           'hypervisor_version_requires': '~=6.3'}),
                ('HV107', {**GENERATION_1, 'disk_format': 'qcow2'}),
                ('HV109', {**GENERATION_2, 'architecture': 'i686'}),
                ('HV128', {**GENERATION_2, 'architecture': 'aarch64'}),
                ('HV110', {**GENERATION_1, 'os_secure_boot': 'required'}),
                ('HV111', {**GENERATION_2, 'os_secure_boot': 'required'}),
                ('HV113', {**GENERATION_2, 'os_vtpm': 'required'}),
                ('HV113', {**SHIELDED, 'hypervisor_version_requires': '>=10.0',
                           'img_pdk_reference': ''}),
                ('HV113', {**GENERATION_2, 'os_shielded_vm': 'required'}),
                ('HV117', {**GENERATION_1, 'interactive_serial_port': '3'})):
            self.assert_finding('HV502', cause, self.check(document))

    def test_fix_is_that_of_the_cause(self):
        finding = self.check({**GENERATION_2, 'architecture': 'i686'})
        self.assertEqual(finding.cause.fix, finding.fix)
        self.assertIn('architecture', finding.fix)


class DiskFormatTestCase(TestCase):

    IMAGE = {**GENERATION_2, 'id': 'image'}

    def check(self, document, content):
        return checks.check_disk_format(
            requests.make(document, host=None, content=content))

    def test_file_formats_that_generation_2_cannot_run_from(self):
        for cause, name, size in (
                ('HV202', 'vhd', 512), ('HV203', 'qcow2', 512),
                ('HV203', 'raw', 65536), ('HV204', 'unknown', 65536),
                ('HV205', 'unknown', 0), ('HV203', 'iso', 65536),
                (None, 'vhdx', 512)):
            self.assert_finding(
                cause and 'HV502', cause, self.check(
                    self.IMAGE, {'format': name, 'file_size': size}))

    def test_generation_1_and_volumes_read_nothing(self):
        for document in ({**GENERATION_1, 'id': 'image'}, {'id': 'image'},
                         GENERATION_2):
            self.assertIsNone(self.check(document, None))

    def test_image_that_cannot_be_read_is_refused_with_the_reason(self):
        for finding in (
                checks.image_not_found('image'),
                checks.image_not_downloadable('image'),
                checks.image_unreadable('image', OSError(5, 'I/O error'))):
            self.assertIs(finding, self.check(
                self.IMAGE, checks.ImageUnavailableError(finding)))


class HostTestCase(TestCase):

    def check(self, document, host):
        return checks.check_host(
            requests.make(document, host, content=None))

    def assert_host(self, cause, document, host):
        """Assert the cause of HV501; None for no finding."""
        self.assert_finding(
            cause and 'HV501', cause, self.check(document, host))

    def test_host_is_not_read_for_an_image_that_asks_nothing(self):
        for document in ({}, {'hw_machine_type': 'pc-q35-8.2'},
                         requests.REMOTEFX):
            self.assertIsNone(self.check(document, None))

    def test_host_is_read_once(self):
        read = []

        def read_host():
            read.append(1)
            return 'hyperv', 6003

        request = requests.make(SHIELDED, read_host=read_host)
        for _ in range(2):
            checks.check_host(request)
        self.assertEqual(1, len(read))

    def test_generation_and_version_are_decided_as_by_the_scheduler(self):
        for cause, document, host in (
                ('HV401', GENERATION_2, ('QEMU', 8002000)),
                ('HV402', GENERATION_2, ('hyperv', 6002)),
                ('HV403', GENERATION_2, ('hyperv', None)),
                ('HV404', {**GENERATION_2,
                           'hypervisor_version_requires': '>=10.0'},
                 ('hyperv', 6003)),
                (None, GENERATION_2, ('hyperv', 6003))):
            self.assert_host(cause, document, host)

    def test_features_of_10_0_need_it_whatever_the_image_requires(self):
        for document, feature in (
                ({**SECURE, 'os_type': 'linux'},
                 'HV112 secure-boot-linux-version'),
                (SHIELDED, 'HV113 vtpm-prerequisites'),
                ({**GENERATION_2, **requests.REMOTEFX},
                 'HV129 remotefx-version')):
            finding = self.check(document, ('hyperv', 9999))
            self.assert_finding('HV501', 'HV404', finding)
            self.assertEqual(
                'this host cannot run the image: HV404 the host runs Hyper-V '
                f'9.999, the image requires >=10.0 ({feature})',
                finding.message)
            self.assert_host(None, document, ('hyperv', 10000))
        for document in (SECURE, {**GENERATION_1, **requests.REMOTEFX}):
            self.assert_host(None, document, ('hyperv', 6003))


class NewServerTestCase(TestCase):
    """Before networks and volumes are made for a new server."""

    IMAGE = {**GENERATION_2, 'id': 'image', 'disk_format': 'vhdx'}

    def test_server_that_passes_reads_neither_file_nor_devices(self):
        self.assertIsNone(checks.check_new_server(requests.make(
            self.IMAGE, content=None, root_is_volume=requests.unread)))

    def test_image_at_fault_is_blamed_before_the_host(self):
        for content, code, cause in (
                (requests.VHD, 'HV502', 'HV202'),
                (requests.VHDX, 'HV501', 'HV402')):
            self.assert_finding(code, cause, checks.check_new_server(
                requests.make(self.IMAGE, ('hyperv', 6002), content)))

    def test_disk_format_of_a_volume_does_not_count(self):
        image = {**GENERATION_1, 'id': 'image', 'disk_format': 'raw'}
        for root_is_volume, code, cause in (
                (lambda: False, 'HV502', 'HV107'),
                (lambda: True, None, None)):
            self.assert_finding(code, cause, checks.check_new_server(
                requests.make(image, root_is_volume=root_is_volume)))

    def test_host_that_lacks_a_feature_is_refused(self):
        for document in (SHIELDED, {**GENERATION_2, **requests.REMOTEFX}):
            self.assert_finding('HV501', 'HV404', checks.check_new_server(
                requests.make(document, ('hyperv', 6003))))


class ServerTestCase(TestCase):
    """An image and the server that it is for."""

    def test_edited_generation_is_refused(self):
        for before, now in itertools.product(
                ({}, GENERATION_1, GENERATION_2), repeat=2):
            finding = checks.check_generation_unchanged(
                requests.make(now, host=None, server=before))
            if (before is GENERATION_2) == (now is GENERATION_2):
                self.assertIsNone(finding)
            else:
                self.assert_finding('HV502', None, finding)
        finding = checks.check_generation_unchanged(
            requests.make({}, server=GENERATION_2))
        self.assertEqual(
            'HV502 image-unusable: the image is hyperv-gen1, the server was '
            'created as hyperv-gen2. Set hw_machine_type=hyperv-gen2 on the '
            'image, or create a new server', str(finding))
        self.assertEqual('hyperv-gen2', finding.required)

    def test_rescue_image_needs_the_generation_of_the_server(self):
        finding = checks.check_rescue_generation(
            requests.make({}, server=GENERATION_2))
        self.assertEqual(
            ('HV504', 'hyperv-gen1 (the default)', 'hyperv-gen2'),
            (finding.code, finding.actual, finding.required))
        for image, server, host in (
                (GENERATION_2, GENERATION_2, None),
                ({}, GENERATION_1, None),
                ({}, GENERATION_2, ('QEMU', 8002000))):
            self.assertIsNone(checks.check_rescue_generation(
                requests.make(image, host, server=server)))

    def test_ide_in_any_case_is_refused_for_generation_2(self):
        for bus in ('ide', 'IDE', 'Ide'):
            finding = checks.check_disk_buses(requests.make(
                GENERATION_2, host=None, disk_buses=('scsi', bus)))
            self.assertEqual(('HV503', bus), (finding.code, finding.actual))
            self.assertIsNone(checks.check_disk_buses(requests.make(
                GENERATION_1, host=None, disk_buses=(bus,))))
        for buses in ((), ('scsi', 'SCSI')):
            self.assertIsNone(checks.check_disk_buses(requests.make(
                GENERATION_2, host=None, disk_buses=buses)))

    def test_generation_of_a_server_that_would_be_refused_today(self):
        """It was created before the host was enforced, and is of its own."""
        for members in ({'architecture': 'i686'},
                        {'os_secure_boot': 'required'}):
            server = {**GENERATION_2, **members}
            self.assertIsNotNone(checks.check_image(requests.make(server)))
            for check in (checks.check_generation_unchanged,
                          checks.check_rescue_generation):
                self.assertIsNone(check(requests.make(
                    GENERATION_2, server=server)))
                finding = check(requests.make({}, server=server))
                self.assertEqual('hyperv-gen2', finding.required)
            self.assert_finding('HV503', None, checks.check_disk_buses(
                requests.make(server, disk_buses=('ide',))))


class RescueMediumTestCase(TestCase):

    def test_installation_media_rescue_no_guest_of_hyperv(self):
        for document in (GENERATION_1, GENERATION_2, {}):
            for host, disk_format, code in (
                    (('hyperv', 10000), 'iso', 'HV502'),
                    (('hyperv', 10000), 'vhdx', None),
                    (('QEMU', 8002000), 'iso', None)):
                finding = checks.check_rescue_medium(requests.make(
                    {**document, 'disk_format': disk_format}, host))
                self.assertEqual(code, finding and finding.code)


class RebuildTestCase(TestCase):

    def test_refused_rebuild_has_the_deepest_cause(self):
        request = requests.make(GENERATION_2, ('hyperv', 6002),
                                disk_buses=('ide',))
        unusable = checks.check_image(
            requests.make({**GENERATION_2, 'architecture': 'i686'}))
        edited = checks.check_generation_unchanged(
            requests.make({}, server=GENERATION_2))
        for finding, cause, start in (
                (unusable, 'HV109', 'the guest could not come back: HV109'),
                (checks.check_host(request), 'HV402',
                 'the guest could not come back: HV402'),
                (checks.check_disk_buses(request), 'HV503',
                 'the guest could not come back: HV503'),
                (edited, None,
                 'the guest could not come back: the image is')):
            refused = checks.rebuild_refused(finding)
            self.assert_finding('HV505', cause, refused)
            self.assertEqual(start, refused.message[:len(start)])
            self.assertEqual(finding.fix, refused.fix)


class UnavailableTestCase(base.TestCase):
    """An image that cannot be read."""

    def test_deleted_and_deactivated_images_differ(self):
        self.assertEqual(
            'HV502 image-unusable: the image is deleted, or not visible to '
            'this project. Use another image',
            str(checks.image_not_found('image')))
        self.assertEqual(
            'HV502 image-unusable: Glance does not let this project download '
            'the image (for example, while the image is deactivated). '
            'Reactivate the image, or use another one',
            str(checks.image_not_downloadable('image')))

    def test_reason_ends_with_one_full_stop(self):
        for error in (RuntimeError('Glance is down'),
                      RuntimeError('Glance is down.')):
            self.assertEqual(
                'HV509 image-unavailable: the image cannot be read now: '
                'Glance is down. Try again later',
                str(checks.image_unreadable('image', error)))

    def test_path_on_the_host_is_not_shown(self):
        finding = checks.image_unreadable(
            'image', OSError(2, 'No such file or directory', '/secret'))
        self.assertIn('cannot be read now: No such file or directory. ',
                      str(finding))
        self.assertNotIn('/secret', str(finding))

    def test_error_has_the_words_of_its_finding(self):
        finding = rules.CATALOGUE['HV502'].finding('image', 'gone')
        self.assertEqual(
            str(finding), str(checks.ImageUnavailableError(finding)))
