# SPDX-License-Identifier: Apache-2.0
"""Real Nova as the judge of what the linter says of properties."""

import itertools

import hypothesis
from hypothesis import strategies as st
from nova import objects
import testtools

from hyperv_sched import document
from hyperv_sched import validators
from tests.unit import base  # noqa: F401 (hypothesis without deadlines)

#: Findings that say that Nova refuses the property (HTTP 400).
REFUSED_BY_NOVA = {'HV103', 'HV104', 'HV121', 'HV124'}

_REQUIREMENTS = st.one_of(
    st.sampled_from([
        '>=6.3', '>= 6.3 ', '~=6.3', '6.3', '==6.*', '', ' ', '>=6.3,',
        '>=6.3,<10.0', '>=10', '>=6.3.9600.1', 'latest', '>=6.3rc1',
        '>=6.3+x', '>=6.3 <10', '\n>=6.3', '>=06.03', '===6.3']),
    st.text(alphabet='<>=!~.,*6310 rcv+', max_size=8))


class ImageMetaTestCase(testtools.TestCase):

    def setUp(self):
        super().setUp()
        objects.register_all()
        self.refused = set(REFUSED_BY_NOVA)
        if self.refuses({'hypervisor_version_requires': '>=10'}):
            # A Nova that compares with distutils.
            self.refused.add('HV120')

    def refuses(self, properties):
        try:
            objects.ImageMeta.from_dict({'properties': properties})
        except ValueError:
            return True
        return False

    @hypothesis.settings(max_examples=300)
    @hypothesis.given(st.fixed_dictionaries(
        {'hw_machine_type': st.sampled_from(
            ['hyperv-gen1', 'hyperv-gen2', 'hyperv-gen3'])},
        optional={
            'hypervisor_version_requires': _REQUIREMENTS,
            'hypervisor_type': st.sampled_from(
                ['hyperv', 'HyperV', 'HYPERV', 'Hyper-V', 'hyper-v', '']),
            'vm_mode': st.sampled_from(['hvm', 'HVM', 'hv', 'pv', 'junk'])}))
    def test_what_nova_refuses_is_an_error_of_ours(self, properties):
        codes = {f.code for f in validators.validate(
            document.normalize(properties))}
        if self.refuses(properties):
            self.assertTrue(codes & self.refused, (properties, codes))
        else:
            self.assertFalse(codes & {'HV104'} & self.refused, properties)
            self.assertFalse(codes & {'HV120'} & self.refused, properties)

    def test_examples_that_are_right_are_accepted(self):
        from hyperv_sched.validators import schema
        for example in itertools.chain.from_iterable(
                clause['x-right'] for clause in schema.load()['allOf']):
            properties = {name: value for name, value in example.items()
                          if isinstance(value, str)}
            self.assertFalse(self.refuses(properties), properties)
