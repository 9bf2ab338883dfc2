# SPDX-License-Identifier: Apache-2.0

from hyperv_sched import compatibility
from hyperv_sched import document
from hyperv_sched import objects
from hyperv_sched import traits
from hyperv_sched import versions
from tests.unit import base


def host_traits(version, windows=None, hypervisor='hyperv', **policy):
    host = objects.HostCapability.from_reported(hypervisor, version)
    return {trait.removeprefix('CUSTOM_HYPERV_')
            for trait in traits.host_traits(
                host, windows, compatibility.Policy(**policy))}


#: What every Hyper-V host has, and every one that runs generation 2.
ANY = {'CUSTOM_HYPERV', 'COMPUTE_FIRMWARE_BIOS'}
GEN2 = {*ANY, 'GEN2', 'COMPUTE_FIRMWARE_UEFI'}


class TraitsTestCase(base.TestCase):

    def test_build_has_the_traits_of_all_releases_up_to_it(self):
        releases = ['WS2012R2', 'WS2016', 'WS2019', 'WS2022', 'WS2025']
        for version, build, count in (
                (6003, '6.3.9600', 1),
                (10000, '10.0.14393', 2), (10000, '10.0.17762', 2),
                (10000, '10.0.17763', 3), (10000, '10.0.20348', 4),
                (10000, '10.0.26099', 4), (10000, '10.0.26100', 5),
                (11000, '11.0.30000', 5)):
            self.assertEqual(GEN2.union(releases[:count]),
                             host_traits(version, build), build)
        self.assertEqual(ANY, host_traits(6002, '6.2.9200'))

    def test_version_without_a_build_has_traits_of_its_oldest_release(self):
        for windows in (None, '', '10.0', 'Server 2022'):
            self.assertEqual({*GEN2, 'WS2012R2', 'WS2016'},
                             host_traits(10000, windows), windows)
        self.assertEqual({*GEN2, 'WS2012R2'}, host_traits(6003))
        self.assertEqual(ANY, host_traits(6002))

    def test_minimum_version_affects_generation_2_only(self):
        self.assertEqual({*ANY, 'WS2012R2'}, host_traits(
            6003, generation_2_minimum=versions.WINDOWS_SERVER_2016))

    def test_host_of_unknown_version_has_the_traits_of_every_host(self):
        self.assertEqual(ANY, host_traits(None))
        self.assertEqual(ANY, host_traits(0))

    def test_other_hypervisors_have_no_traits(self):
        self.assertEqual(set(), host_traits(8002000, '10.0.26100', 'QEMU'))

    def test_firmware_traits_of_other_hypervisors_are_not_owned(self):
        custom = {'CUSTOM_HYPERV', *(f'CUSTOM_HYPERV_{name}' for name in (
            'GEN2', 'WS2012R2', 'WS2016', 'WS2019', 'WS2022', 'WS2025'))}
        firmware = {'COMPUTE_FIRMWARE_BIOS', 'COMPUTE_FIRMWARE_UEFI'}
        for hypervisor, expected in (('hyperv', custom | firmware),
                                     ('QEMU', custom), (None, custom)):
            self.assertEqual(expected, traits.owned_traits(
                objects.HostCapability.from_reported(hypervisor, 10000)))


class RequiredTraitsTestCase(base.TestCase):

    def required(self, **properties):
        minimum = properties.pop('minimum', versions.GENERATION_2_MINIMUM)
        requirement = compatibility.requirement(document.normalize({
            'hypervisor_type': 'hyperv', **properties}))
        return {trait.removeprefix('CUSTOM_HYPERV')
                for trait in traits.required_traits(
                    requirement, compatibility.Policy(minimum))}

    def test_every_image_for_hyperv_requires_it(self):
        self.assertEqual({''}, self.required())
        self.assertEqual({''}, self.required(hw_machine_type='hyperv-gen1'))
        self.assertEqual(set(), self.required(hypervisor_type='qemu'))

    def test_generation_2_requires_its_trait(self):
        self.assertEqual({'', '_GEN2', '_WS2012R2'},
                         self.required(hw_machine_type='hyperv-gen2'))

    def test_oldest_version_that_is_admitted_is_required(self):
        for required, expected in (
                ('>=6.2', set()), ('>=6.3', {'_WS2012R2'}),
                ('==6.3', {'_WS2012R2'}), ('>=10.0', {'_WS2016'}),
                ('>6.3,<11.0', {'_WS2016'}), ('>10.0', set())):
            self.assertEqual({'', *expected}, self.required(
                hypervisor_version_requires=required), required)

    def test_features_and_the_minimum_of_the_operator_are_required(self):
        gen2 = {'hw_machine_type': 'hyperv-gen2'}
        expected = {'', '_GEN2', '_WS2016'}
        self.assertEqual(expected, self.required(
            **gen2, os_secure_boot='required', os_type='linux'))
        self.assertEqual(expected, self.required(
            **gen2, minimum=versions.WINDOWS_SERVER_2016))

    def test_image_that_no_host_can_run_requires_nothing(self):
        # The filter gives the reason, if placement offers it any host.
        self.assertEqual(set(), self.required(hw_machine_type='hyperv-gen3'))


BUILD_2022 = versions.Version('10.0.20348')


class HostReleaseTestCase(base.TestCase):

    def older(self, build=None, version=None, host_traits=None,
              made_on=BUILD_2022):
        try:
            return traits.HostRelease(
                build and versions.Version(build),
                version and versions.Version(version), host_traits
            ).describe_older(made_on)
        except traits.UnknownReleaseError:
            return 'unknown'

    def test_build_of_the_host_decides(self):
        for build, expected in (
                ('6.3.9600', '6.3.9600'), ('10.0.17763', '10.0.17763'),
                ('10.0.20347', '10.0.20347'), ('10.0.20348', None),
                ('10.0.26100', None)):
            self.assertEqual(expected, self.older(
                build, '10.0', frozenset()), build)

    def test_version_decides_where_it_differs(self):
        for version, expected in (('6.3', '6.3'), ('11.0', None)):
            self.assertEqual(expected, self.older(None, version), version)

    def test_traits_decide_within_a_version(self):
        reported = {'COMPUTE_FIRMWARE_BIOS', 'CUSTOM_HYPERV_WS2019'}
        for found, expected in (
                (reported, 'an older release, without the trait '
                 'CUSTOM_HYPERV_WS2022'),
                ({*reported, 'CUSTOM_HYPERV_WS2022'}, None),
                # A provider.yaml may not know the release.
                ({'CUSTOM_HYPERV_WS2016'}, 'unknown'),
                ({'CUSTOM_HYPERV_WS2022'}, None), (None, 'unknown')):
            self.assertEqual(
                expected, self.older(None, '10.0', found), found)

    def test_guest_of_2012_has_no_trait_to_compare(self):
        self.assertEqual('unknown', self.older(
            None, '6.2', frozenset(), versions.Version('6.2.9200')))
        self.assertIsNone(self.older(
            None, '6.3', frozenset(), versions.Version('6.2.9200')))


class ReleaseTestCase(base.TestCase):

    def test_number_of_an_update_is_not_compared(self):
        for value, expected in (
                ('10.0.20348.2113', '10.0.20348'), ('10.0.20348', None),
                ('10.0', 'none'), ('', 'none'), (None, 'none'),
                ('9' * 5000, 'none')):
            self.assertEqual(expected or value,
                             str(traits.parse_build(value)).lower())

    def test_trait_of_a_version_is_that_of_its_oldest_release(self):
        for version, expected in (
                ('6.2', None), ('6.3', 'WS2012R2'), ('10.0', 'WS2016'),
                ('10.0.17763', 'WS2019'), ('11.0', 'WS2025')):
            self.assertEqual(
                expected and f'CUSTOM_HYPERV_{expected}',
                traits.release_trait(versions.Version(version)), version)

    def test_least_build_of_some_traits(self):
        self.assertEqual(BUILD_2022, traits.least_build(
            ['CUSTOM_HYPERV_WS2016', 'CUSTOM_HYPERV_WS2022', 'OTHER']))
        self.assertIsNone(traits.least_build(['CUSTOM_HYPERV']))
