# SPDX-License-Identifier: Apache-2.0
"""The package comes and goes while the cloud is in use."""

import re

from tests import samples
from tests.e2e import base
from tests.e2e import cloud as e2e_cloud
from tools.setup import source


class PackageTestCase(base.StoryTestCase):

    def setUp(self):
        super().setUp()
        self.addCleanup(self.put_back)

    def put_back(self):
        """Install what the checkout holds, whatever is there."""
        (self.cloud.state.software / 'hyperv-sched').unlink(missing_ok=True)
        self.cloud.install()

    def pip(self, *argv):
        return self.cloud.python(
            '-m', 'pip', '--quiet', '--disable-pip-version-check', *argv)

    def installed(self):
        return self.cloud.python(
            '-c', 'from importlib import metadata\n'
            'print(metadata.version("hyperv-sched"))').strip()

    def build(self, version):
        """The source of another release of the same code."""
        copied = source.copy(self.cloud.directory)
        path = copied / 'pyproject.toml'
        text, changed = re.subn(
            '^fallback_version = .*$', f'fallback_version = "{version}"',
            path.read_text(), flags=re.MULTILINE)
        self.assertEqual(1, changed)
        path.write_text(text)
        return copied

    def assert_judges(self):
        image = self.cloud.image(**e2e_cloud.GENERATION_2)
        server = self.cloud.boot(image)
        self.assertEqual('ACTIVE', server.status)
        self.assertIn(server.compute_host, e2e_cloud.NEW_ENOUGH)
        with self.cloud.only('ws2012'):
            refused = self.cloud.boot(image)
        self.assertIn('HV402', self.cloud.fault(refused))

    def test_upgrade_under_a_running_scheduler(self):
        release = self.build('999.0')
        self.assert_judges()
        # Running services keep what they have.
        self.pip('install', '--force-reinstall', '--no-deps',
                 '--no-build-isolation', release)
        self.assertEqual('999.0', self.installed())
        self.assert_judges()
        # A forced host: nova-compute judges, too.
        image = self.cloud.image(
            user=self.cloud.admin, **e2e_cloud.GENERATION_2)
        server = self.cloud.boot(
            image, user=self.cloud.admin, availability_zone='nova:ws2012')
        self.assertIn('HV501', self.cloud.fault(server))
        self.cloud.restart('nova-scheduler', 'glance', 'nova-compute-ws2022')
        self.assert_judges()

    def test_uninstalled(self):
        """As the pages say: out of the configuration, then from the disk."""
        without = {
            'nova-scheduler.conf': (
                'available_filters = hyperv_sched.filters.'
                'HyperVGenerationFilter\n', ''),
            'glance-image-import.conf': (
                'image_import_plugins = [hyperv_generation]',
                'image_import_plugins = []'),
            'glance-api-paste.ini': (' hyperv_generation rootapp',
                                     ' rootapp'),
            **{f'nova-compute-{name}.conf': (
                'compute_driver = hyperv_sched.EnforcedDriver',
                'compute_driver = devcloud.HostDriver')
               for name in self.cloud.hosts(enforced=True)}}
        services = ['nova-scheduler', 'glance', *(
            f'nova-compute-{name}'
            for name in self.cloud.hosts(enforced=True))]
        etc = self.cloud.state.etc
        before = {name: (etc / name).read_text() for name in without}

        def put_back():
            self.put_back()
            for name, text in before.items():
                (etc / name).write_text(text)
            self.cloud.restart(*services)
        self.addCleanup(put_back)
        for name, (text, instead) in without.items():
            self.assertIn(text, before[name])
            (etc / name).write_text(before[name].replace(
                text, instead).replace(
                    'ComputeFilter,HyperVGenerationFilter,',
                    'ComputeFilter,').partition('[filter:hyperv')[0])
        self.cloud.restart(*services)
        self.pip('uninstall', '--yes', 'hyperv-sched')
        self.assertEqual('', self.cloud.python(
            '-c', 'import importlib.util as util\n'
            'for name in ("hyperv_sched", "nova.virt.hyperv_sched"):\n'
            '    if util.find_spec(name): print(name)'))
        self.cloud.restart(*services)
        for data, disk_format, properties in (
                (None, 'vhdx', e2e_cloud.GENERATION_2),
                (samples.qcow2() + bytes(4096), 'qcow2',
                 {'hypervisor_type': 'qemu'})):
            self.assertEqual('ACTIVE', self.cloud.boot(self.cloud.image(
                data, disk_format, **properties)).status)
        imported = self.cloud.imported(
            self.cloud.file(samples.bios_vhdx()), **e2e_cloud.GENERATION_2)
        self.assertEqual('active', imported.status)
