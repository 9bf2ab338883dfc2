# SPDX-License-Identifier: Apache-2.0
"""hyperv_sched.EnforcedDriver in front of a driver, in nova-compute."""

from tests.functional.nova import cloud
from tests.functional.nova import fakes


class EnforcedDriverTestCase(cloud.EnforcedCloud):
    """The image decides whether it runs, and Nova says why not."""

    def test_driver_is_the_configured_one_enforced(self):
        driver = self.computes['ws2022'].manager.driver
        self.assertIsInstance(driver, fakes.FakeHostDriver)
        self.assertEqual('EnforcedFakeHostDriver', type(driver).__name__)

    def test_generation_2_runs_where_it_can(self):
        image = self.image('gen2', data=b'vhdxfile', **cloud.GENERATION_2)
        server = self.boot(image, host='ws2022')
        self.assertEqual('ACTIVE', server['status'])

    def test_vhdx_with_the_label_vhd_runs(self):
        image = self.image('label', 'vhd', data=b'vhdxfile',
                           **cloud.GENERATION_2)
        self.assertEqual('ACTIVE', self.boot(image, host='ws2022')['status'])

    def test_generation_2_from_a_vhd_fails_once_with_the_reason(self):
        image = self.image('vhd', 'vhd', data=b'conectix' + bytes(504),
                           **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertEqual('ERROR', server['status'])
        self.assertIn(
            'HV502 image-unusable: HV202 the file is VHD, generation 2 runs '
            'only from VHDX. Convert it: qemu-img convert -f vpc -O vhdx',
            server['fault']['message'])
        self.assertEqual(1, len(self.attempts(server)))

    def test_label_is_believed_where_glance_cannot_be_read(self):
        def fail(*args, **kwargs):
            raise OSError('Glance is down')
        image = self.image('vhd', 'vhd', data=b'vhdxfile',
                           **cloud.GENERATION_2)
        self.glance.download = fail
        server = self.boot(image)
        self.assertIn('HV202', server['fault']['message'])

    def test_forced_host_that_is_too_old_refuses(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image, az='nova:ws2012')
        self.assertEqual('ERROR', server['status'])
        self.assertIn('HV501 generation-unsupported-here: this host cannot '
                      'run the image: HV402 the host runs Hyper-V 6.2',
                      server['fault']['message'])

    def test_generation_1_is_left_alone(self):
        image = self.image('gen1', 'vhd', hw_machine_type='hyperv-gen1')
        server = self.boot(image, host='ws2012')
        self.assertEqual('ACTIVE', server['status'])

    def test_image_that_asks_nothing_is_left_alone(self):
        server = self.boot(self.image('cirros', 'qcow2'), host='kvm')
        self.assertEqual('ACTIVE', server['status'])


class AnotherHostTestCase(cloud.EnforcedCloud):
    """A host that is too old passes the server on."""

    hosts = ('ws2012', 'ws2022')

    def setUp(self):
        # The oldest host first.
        self.flags(hypervisor_version_weight_multiplier=-1.0,
                   group='filter_scheduler')
        super().setUp()

    def test_next_host_is_tried(self):
        image = self.image('gen2', **cloud.GENERATION_2)
        server = self.boot(image)
        self.assertEqual('ACTIVE', server['status'])
        self.assertEqual('ws2022', self.host_of(server))
        self.assertEqual(['ws2012', 'ws2022'], self.attempts(server))
