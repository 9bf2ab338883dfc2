# SPDX-License-Identifier: Apache-2.0

import testtools

from tests import portability


class PortabilityTestCase(testtools.TestCase):

    def test_driver_is_imported_where_there_is_no_posix(self):
        self.assertEqual('imported\n', portability.imports(
            ('nova.virt.driver', 'nova.compute.utils', 'nova.image.glance',
             'nova.compute.vm_states'),
            ('hyperv_sched.compute.driver',)))
