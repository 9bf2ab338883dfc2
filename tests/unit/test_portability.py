# SPDX-License-Identifier: Apache-2.0

from tests import portability
from tests.unit import base


class PortabilityTestCase(base.TestCase):

    def test_core_is_imported_where_there_is_no_posix(self):
        self.assertEqual('imported\n', portability.imports(
            ('cliff.app', 'jsonschema', 'oslo_config.cfg', 'oslo_log.log',
             'oslo_versionedobjects.base', 'packaging.specifiers'),
            ('hyperv_sched.conf', 'hyperv_sched.compatibility',
             'hyperv_sched.metrics',
             'hyperv_sched.text', 'hyperv_sched.cli.main',
             'hyperv_sched.cli.upload', 'hyperv_sched.cli.formatters',
             'hyperv_sched.validators', 'hyperv_sched.disk',
             'hyperv_sched.compute.operations',
             'hyperv_sched.traits')))
