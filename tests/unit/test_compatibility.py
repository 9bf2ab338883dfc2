# SPDX-License-Identifier: Apache-2.0

import collections

from hyperv_sched import compatibility
from hyperv_sched import document
from hyperv_sched import objects
from hyperv_sched import versions
from tests.unit import base

WS2012 = ('hyperv', 6002)
WS2012R2 = ('hyperv', 6003)
WS2022 = ('hyperv', 10000)
UNKNOWN = ('hyperv', 0)
KVM = ('QEMU', 8002000)
SILENT = (None, None)

STRICT = compatibility.Policy()
LENIENT = compatibility.Policy(accept_unknown_version=True)
MODERN = compatibility.Policy(generation_2_minimum=versions.Version('10.0'))


def codes(properties, policy=STRICT, hosts=(
        WS2012, WS2012R2, WS2022, UNKNOWN, KVM, SILENT)):
    """Return the code for each host; None if it can run the image."""
    matcher = compatibility.HostMatcher(
        objects.ImageRequirement.from_document(properties), policy)
    found = [matcher.match(*host) for host in hosts]
    return [finding and finding.code for finding in found]


class CacheTestCase(base.TestCase):

    def test_number_of_kinds_of_host_is_limited(self):
        matcher = compatibility.HostMatcher(
            objects.ImageRequirement.from_document(
                {'hw_machine_type': 'hyperv-gen2'}), STRICT)
        for version in range(10000, 11002):
            self.assertIsNone(matcher.match('hyperv', version))
        self.assertEqual(1000, len(matcher._decisions))


class DecisionTableTestCase(base.TestCase):
    """The hosts are WS2012, WS2012R2, WS2022, UNKNOWN, KVM and SILENT."""

    def test_generation_2(self):
        self.assertEqual(
            ['HV402', None, None, 'HV403', 'HV401', 'HV403'],
            codes({'hw_machine_type': 'hyperv-gen2'}))

    def test_generation_2_if_an_unknown_version_is_accepted(self):
        self.assertEqual(
            ['HV402', None, None, None, 'HV401', 'HV403'],
            codes({'hw_machine_type': 'hyperv-gen2'}, LENIENT))

    def test_generation_2_if_the_minimum_version_is_raised(self):
        self.assertEqual(
            ['HV402', 'HV402', None, 'HV403', 'HV401', 'HV403'],
            codes({'hw_machine_type': 'hyperv-gen2'}, MODERN))

    def test_generation_1(self):
        self.assertEqual(
            [None, None, None, None, 'HV401', 'HV403'],
            codes({'hw_machine_type': 'hyperv-gen1'}))

    def test_hyperv_without_a_machine_type_is_generation_1(self):
        self.assertEqual(
            [None, None, None, None, 'HV401', 'HV403'],
            codes({'hypervisor_type': 'hyperv'}))

    def test_version_requirement(self):
        self.assertEqual(
            ['HV404', 'HV404', None, 'HV403', 'HV401', 'HV403'],
            codes({'hw_machine_type': 'hyperv-gen1',
                   'hypervisor_version_requires': '>=10.0'}))

    def test_build_number_matches_no_host(self):
        self.assertEqual(
            ['HV402', 'HV404', 'HV404', 'HV403', 'HV401', 'HV403'],
            codes({'hw_machine_type': 'hyperv-gen2',
                   'hypervisor_version_requires': '>=10.0.17763'}))

    def test_feature_of_2016_has_its_rule_as_the_cause(self):
        matcher = compatibility.HostMatcher(
            objects.ImageRequirement.from_document({
                'hw_machine_type': 'hyperv-gen2', 'os_type': 'linux',
                'os_secure_boot': 'required'}), STRICT)
        finding = matcher.match(*WS2012R2)
        self.assertEqual(('HV404', 'HV112'),
                         (finding.code, finding.cause.code))
        self.assertIsNone(matcher.match(*WS2022))

    def test_contradictory_properties_match_no_host(self):
        for properties in (
                {'hw_machine_type': 'hyperv-gen3'},
                {'hw_machine_type': 'HYPERV-GEN2'},
                {'hw_machine_type': 'q35', 'hypervisor_type': 'hyperv'},
                {'hw_machine_type': 'hyperv-gen2', 'hypervisor_type': 'qemu'},
                {'hw_machine_type': 'hyperv-gen2',
                 'hypervisor_version_requires': '~=6.3'}):
            self.assertEqual({'HV405'}, set(codes(properties)), properties)


class HostMatcherTestCase(base.TestCase):

    def test_image_that_asks_nothing_of_hyperv_runs_on_any_host(self):
        for properties in (
                {}, {'hypervisor_version_requires': '>=6.3'},
                {'hypervisor_type': 'qemu', 'hw_machine_type': 'q35'},
                {'hw_machine_type': 'virt', 'disk_format': 'qcow2'}):
            self.assertFalse(
                compatibility.requirement(properties).is_for_hyperv)
            self.assertEqual([None] * 6, codes(properties))
        for properties in (
                {'hypervisor_type': 'hyperv'},
                {'hw_machine_type': 'hyperv-gen1'},
                {'hw_machine_type': 'hyperv-gen3'}):
            self.assertTrue(
                compatibility.requirement(properties).is_for_hyperv)

    def test_decision_on_a_kind_of_host_is_cached(self):
        matcher = compatibility.HostMatcher(
            objects.ImageRequirement.from_document(
                {'hw_machine_type': 'hyperv-gen2'}), STRICT)
        self.assertIs(matcher.match(*WS2012), matcher.match(*WS2012))

    def test_case_of_the_type_makes_no_difference(self):
        self.assertEqual(
            [None, 'HV402', 'HV401'],
            codes({'hw_machine_type': 'hyperv-gen2'},
                  hosts=(('HyperV', 6003), ('HYPERV', 6002),
                         ('Hyper-V', 6003))))

    def test_number_that_only_looks_like_a_version_is_unknown(self):
        for good, bad in ((6003, 6003.0), (6003.0, 6003)):
            matcher = compatibility.HostMatcher(
                objects.ImageRequirement.from_document(
                    {'hw_machine_type': 'hyperv-gen2'}), STRICT)
            matcher.match('hyperv', good)
            matcher.match('hyperv', bad)
            self.assertIsNone(matcher.match('hyperv', 6003))
            self.assertEqual('HV403', matcher.match('hyperv', 6003.0).code)


OFFERED = 'Of the hosts that placement offered (max_placement_results=1000): '


class SummarizeTestCase(base.TestCase):

    def rejected(self, properties, *hosts):
        matcher = compatibility.HostMatcher(
            objects.ImageRequirement.from_document(properties), STRICT)
        return collections.Counter(matcher.match(*host) for host in hosts)

    def summary(self, properties, *hosts, scope=''):
        return compatibility.summarize(
            self.rejected(properties, *hosts), scope)

    def test_most_frequent_reason_has_message_and_fix(self):
        self.assertEqual(
            'HV402 host-too-old (2 hosts): the host runs Hyper-V 6.2, '
            'generation 2 needs >=6.3; HV403 host-version-unknown (1 host): '
            'the host has not reported its hypervisor version. Use a host of '
            'version >=6.3, or a generation 1 image',
            self.summary({'hw_machine_type': 'hyperv-gen2'},
                         UNKNOWN, WS2012, WS2012))

    def test_values_under_one_code_are_joined(self):
        self.assertEqual(
            'HV404 version-requirement-unmet (2 hosts): the host runs '
            'Hyper-V 10.0, 6.3, the image requires >=11.0 (hosts report '
            '6.2, 6.3, 10.0 only). Correct the requirement, or use another '
            'host',
            self.summary({'hw_machine_type': 'hyperv-gen2',
                          'hypervisor_version_requires': '>=11.0'},
                         WS2012R2, WS2022))

    def test_fix_of_the_finding_is_kept(self):
        # The linter, which the rule advises, knows no flavor.
        self.assertEqual(
            'HV405 request-invalid (1 host): no host can meet the image: '
            'HV110 the flavor has os:secure_boot=required, but the image is '
            'generation 1. Use a generation 2 image, or a flavor without '
            'os:secure_boot',
            self.summary(document.add_flavor(document.normalize({
                'hw_machine_type': 'hyperv-gen1'}), {
                    'os:secure_boot': 'required'}), WS2022))

    def test_other_reasons_do_not_shorten_the_most_frequent_one(self):
        self.assertEqual(
            'HV404 (3 hosts): the host runs '
            'Hyper-V 10.0, 6.3, the image requires >=6.3,>=10.0.17763,'
            '!=10.0.20348,<10.0.26100 (hosts report 6.2, 6.3, 10.0 only); '
            'HV401 (1); HV402 (1). Correct the requirement, or use another '
            'host',
            self.summary(
                {'hw_machine_type': 'hyperv-gen2',
                 'hypervisor_version_requires':
                 '>=6.3,>=10.0.17763,!=10.0.20348,<10.0.26100'},
                WS2012R2, WS2022, WS2022, KVM, WS2012))

    def test_long_value_is_shortened_and_fits(self):
        long = ','.join(['>=11.0', *(
            f'!=10.0.{build}' for build in range(20000, 20020))])
        for properties, hosts in (
                ({'hw_machine_type': 'hyperv-' + '漢' * 200}, [WS2012] * 5),
                ({'hw_machine_type': 'hyperv-gen2',
                  'hypervisor_version_requires': long},
                 [WS2012, *[WS2022] * 99999, UNKNOWN, KVM])):
            for scope in ('', OFFERED):
                text = self.summary(properties, *hosts, scope=scope)
                self.assertLessEqual(len(text.encode()), 230)
                self.assertEqual(scope, text[:len(scope)])
                self.assertIn('...', text)

    def test_text_of_230_bytes_is_whole(self):
        properties = {'hw_machine_type': 'hyperv-gen2'}
        words = self.summary(properties, WS2012)
        for size, whole in ((230, True), (231, False)):
            # A character of three bytes, so that characters are fewer.
            scope = '漢' + 'x' * (size - 3 - len(words))
            text = self.summary(properties, WS2012, scope=scope)
            self.assertEqual(whole, text == scope + words)
            self.assertLessEqual(len(text.encode()), 230)

    def test_message_of_another_reason_needs_room_for_24_bytes(self):
        cut = '; HV403 host-version-unknown (1 host): the host has not repo...'
        for size, shown in ((32, True), (33, False)):
            # Ten characters of three bytes, so that characters are fewer.
            for scope in ('x' * size, '漢' * 10 + 'x' * (size - 30)):
                text = self.summary({'hw_machine_type': 'hyperv-gen2'},
                                    UNKNOWN, WS2012, WS2012, scope=scope)
                self.assertEqual(shown, cut in text)
                self.assertLessEqual(len(text.encode()), 230)

    def test_name_gives_way_to_a_message_that_has_too_many_bytes(self):
        for length, head in ((17, 'HV405 request-invalid (1 host): '),
                             (18, 'HV405 (1 host): ')):
            text = self.summary(
                {'hw_machine_type': 'hyperv-' + '漢' * length}, WS2012)
            self.assertEqual(head, text[:len(head)])

    def test_every_code_is_named(self):
        text = self.summary(
            {'hw_machine_type': 'hyperv-gen2',
             'hypervisor_version_requires': '>=11.0,>=11.0.1,>=11.0.2'},
            WS2012, WS2012R2, WS2022, UNKNOWN, KVM, scope=OFFERED)
        for words in ('HV404 (2 hosts): the host runs Hyper-V 10.0, 6.3, ',
                      'HV401 (1)', 'HV402 (1)', 'HV403 (1)',
                      'Correct the requirement'):
            self.assertIn(words, text)

    def test_operator_gets_full_messages_and_some_names(self):
        rejected = self.rejected(
            {'hw_machine_type': 'hyperv-gen2',
             'hypervisor_version_requires': '>=11.0'},
            *[WS2022] * 11, WS2012)
        self.assertEqual(
            'HV404 version-requirement-unmet (11 hosts: h0, h1, h2, h3, h4, '
            'h5, h6, h7, h8, h9, ...): the host runs Hyper-V 10.0, the image '
            'requires >=11.0 (hosts report 6.2, 6.3, 10.0 only). Correct the '
            'requirement, or use another host; HV402 host-too-old (1 host: '
            'old): the host runs Hyper-V 6.2, generation 2 needs >=6.3. Use '
            'a host of version >=6.3, or a generation 1 image',
            compatibility.explain(rejected, {
                'HV404': [f'h{number}' for number in range(11)],
                'HV402': ['old']}))
