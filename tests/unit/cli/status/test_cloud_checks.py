# SPDX-License-Identifier: Apache-2.0

import dataclasses
from unittest import mock

from oslo_upgradecheck import upgradecheck

from hyperv_sched import inventory
from hyperv_sched import names
from hyperv_sched.cli import cloud
from hyperv_sched.cli import rest
from hyperv_sched.cli.status import cloud_checks
from tests.unit.cli.status import base

SUCCESS = upgradecheck.Code.SUCCESS
URL = 'mysql+pymysql://nova:secret@db/nova_api'
DATABASE = f'[api_database]\nconnection = {URL}\n'
REQUIRE = '[hyperv_sched]\nrequire_trait = true\n'


class Source:
    """A cloud with given hosts and images."""

    def __init__(self, lacking, reporting, *images):
        self.all_hosts = [inventory.from_document({
            'hypervisor_hostname': f'host{index}', 'hypervisor_version': 10000,
            'hypervisor_type': 'hyperv', 'id': str(index)})
            for index in range(lacking + reporting)]
        self.lacking = lacking
        self.images = mock.Mock(list_all=lambda: [
            {'id': str(index), 'hw_machine_type': 'hyperv-gen2',
             **({f'trait:{names.GENERATION_2_TRAIT}': 'required'}
                if requires else {})}
            for index, requires in enumerate(images)])

    def hosts(self):
        return self.all_hosts

    def with_traits(self, hosts, traits):
        return [dataclasses.replace(host, traits=frozenset(
            () if index < self.lacking else traits))
            for index, host in enumerate(hosts)]


class TraitsTestCase(base.StatusTestCase):

    def compare(self, source, nova=''):
        deployment = dataclasses.replace(
            self.read(nova=nova), os_cloud='name')
        with mock.patch.object(cloud, 'Source', lambda *args, **kw: source):
            return list(cloud_checks.traits(deployment))

    def test_skipped_without_a_cloud(self):
        self.assertSkipped('--os-cloud', cloud_checks.traits,
                           self.read(nova=''))

    def test_no_image_requires_what_a_host_lacks(self):
        self.assertProblem(
            SUCCESS, '1 of 2 hosts that can run generation 2 do not report '
            'CUSTOM_HYPERV_GEN2. No image', self.compare(Source(1, 1, False)))

    def test_image_requires_what_a_host_lacks(self):
        self.assertProblem(
            base.WARNING, 'from the 1 image that require it',
            self.compare(Source(1, 1, True, False)))

    def test_scheduler_requires_what_a_host_lacks(self):
        self.assertProblem(base.FAILURE, 'they get no servers',
                           self.compare(Source(1, 1), REQUIRE))

    def test_every_host_reports_and_an_image_requires_nothing(self):
        self.assertProblem(SUCCESS, '2 images of generation 2 do not require',
                           self.compare(Source(0, 2, False, False, True)))

    def test_every_host_reports_and_all_images_require(self):
        self.assertEqual([], self.compare(Source(0, 2, True)))
        self.assertEqual([], self.compare(Source(0, 2, False), REQUIRE))

    def test_no_host_is_capable(self):
        self.assertProblem(SUCCESS, 'No host of the cloud',
                           self.compare(Source(0, 0, False)))

    def test_cloud_that_is_down_is_a_warning(self):
        source = mock.Mock(hosts=mock.Mock(
            side_effect=rest.CloudError('no answer')))
        self.assertProblem(base.WARNING, 'read completely: no answer.',
                           self.compare(source))


class ComputeVersionsTestCase(base.StatusTestCase):

    def judge(self, found, nova=DATABASE):
        self.importable[cloud_checks.READ_VERSIONS] = (
            found if isinstance(found, Exception) else lambda service: found)
        return list(cloud_checks.compute_versions(dataclasses.replace(
            self.read(nova=nova), reads_database=True)))

    def test_skipped(self):
        self.assertSkipped('--database', cloud_checks.compute_versions,
                           self.read(nova=DATABASE))
        self.assertSkipped(
            'not a controller', cloud_checks.compute_versions,
            dataclasses.replace(self.read(nova=''), reads_database=True))
        self.versions.clear()
        self.assertSkipped(
            'not installed', cloud_checks.compute_versions,
            dataclasses.replace(self.read(nova=DATABASE),
                                reads_database=True))

    def test_all_are_supported(self):
        self.assertEqual([], self.judge((0, 3, 72)))

    def test_some_are_older(self):
        self.assertProblem(
            base.FAILURE, '1 of 3 nova-computes is older than service version '
            '72, the oldest that Nova 34.0.0 supports', self.judge((1, 3, 72)))

    def test_some_are_older_and_nova_starts(self):
        self.assertProblem(base.WARNING, 'disable_compute_service_check', (
            self.judge((2, 3, 72), DATABASE + '[workarounds]\n'
                       'disable_compute_service_check_for_ffu = true\n')))

    def test_error_does_not_show_the_password(self):
        found = self.judge(ValueError(f'cannot parse {URL}'))
        self.assertProblem(base.WARNING, 'was not read: ValueError', found)
        self.assertNotIn('secret', found[0].text)
