# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import compatibility
from hyperv_sched import objects
from hyperv_sched import versions
from hyperv_sched.compute import traits
from tests.unit import base


def host_traits(version, windows=None, hypervisor='hyperv', **policy):
    host = objects.HostCapability.from_reported(hypervisor, version)
    return {trait.removeprefix('CUSTOM_HYPERV_')
            for trait in traits.host_traits(
                host, windows, compatibility.Policy(**policy))}


class TraitsTestCase(base.TestCase):

    def test_build_has_the_traits_of_all_releases_up_to_it(self):
        release = ['GEN2', 'WS2012R2', 'WS2016', 'WS2019', 'WS2022', 'WS2025']
        for version, build, count in (
                (6002, '6.2.9200', 0), (6003, '6.3.9600', 2),
                (10000, '10.0.14393', 3), (10000, '10.0.17762', 3),
                (10000, '10.0.17763', 4), (10000, '10.0.20348', 5),
                (10000, '10.0.26099', 5), (10000, '10.0.26100', 6),
                (11000, '11.0.30000', 6)):
            self.assertEqual(set(release[:count]),
                             host_traits(version, build), build)

    def test_version_without_a_build_has_traits_of_its_oldest_release(self):
        for windows in (None, '', '10.0', 'Server 2022'):
            self.assertEqual({'GEN2', 'WS2012R2', 'WS2016'},
                             host_traits(10000, windows), windows)
        self.assertEqual({'GEN2', 'WS2012R2'}, host_traits(6003))
        self.assertEqual(set(), host_traits(6002))

    def test_minimum_version_affects_generation_2_only(self):
        self.assertEqual({'WS2012R2'}, host_traits(
            6003, generation_2_minimum=versions.WINDOWS_SERVER_2016))

    def test_unknown_version_has_no_traits(self):
        self.assertEqual(set(), host_traits(None))
        self.assertEqual(set(), host_traits(0))

    def test_other_hypervisors_have_no_traits(self):
        self.assertEqual(set(), host_traits(8002000, '10.0.26100', 'QEMU'))
