# SPDX-License-Identifier: Apache-2.0
"""Audits of an image and hosts, without a cloud."""

import json

from tests import properties
from tests.unit.cli import base

IMAGE = {'id': 'i', 'name': 'n', **properties.GENERATION_2,
         'disk_format': 'vhdx', 'container_format': 'bare'}


def host(name, version=10000, **members):
    return {'hypervisor_hostname': name, 'hypervisor_type': 'hyperv',
            'hypervisor_version': version, **members}


class AuditTestCase(base.CommandTestCase):

    def audit(self, images, hosts, *argv):
        return self.run_command(
            'cloud', 'audit', '--images', self.file(
                'images.json', json.dumps(images).encode()),
            '--hosts', self.file('hosts.json', json.dumps(
                {'hypervisors': hosts}).encode()), *argv)
