# SPDX-License-Identifier: Apache-2.0
"""What a refusal of EnforcedDriver leaves: a log line and a notification."""

import json
import pathlib
from unittest import mock

import fixtures

from hyperv_sched import objects
from hyperv_sched.compute import notifications
from tests.functional.nova import cloud

#: The notification of a refusal in the documentation.
SAMPLE = pathlib.Path(__file__).parents[3] / (
    'doc/source/refusal-notification.json')


def _sort_changes(members):
    """Sort the names of changed fields, which are in any order."""
    changes = members.get('versioned_object.changes')
    return members if changes is None else {
        **members, 'versioned_object.changes': sorted(changes)}


class RefusalTestCase(cloud.SharedCloudTestCase):
    """Each refusal is one log line and one notification."""

    # Services of one process share the name of the host in the notification:
    # it is that of the last one.
    class Cloud(cloud.EnforcedCloud):
        hosts = ('ws2012',)

    def refuse(self):
        """Return the log of a refusal, its server and its image."""
        image = self.image('gen2', **cloud.GENERATION_2)
        with fixtures.FakeLogger(
                notifications.__name__, format='%(message)s') as log:
            server = self.boot(image, az='nova:ws2012')
        return log.output, server, image

    def expected(self, server, image):
        return {
            'host': 'ws2012', 'instance_uuid': server['id'],
            'operation': 'prepare_for_spawn', 'image': image,
            'code': 'HV501', 'name': 'generation-unsupported-here'}

    def test_log_has_one_line_of_json_for_a_refusal(self):
        log, server, image = self.refuse()
        line, = log.splitlines()
        refusal = json.loads(line.partition('Refused: ')[2])
        self.assertEqual(
            self.expected(server, image),
            {name: refusal[name] for name in self.expected(server, image)})
        self.assertEqual('HV402', refusal['cause']['code'])

    def test_notification_carries_a_versioned_object(self):
        _, server, image = self.refuse()
        (notification, refusal), = (
            (notification, refusal)
            for notification in self.notifier.versioned_notifications
            if notification['event_type'] == 'hyperv_sched.refusal'
            for refusal in (objects.Refusal.obj_from_primitive(
                notification['payload']),)
            if refusal.instance_uuid == server['id'])
        self.assertEqual('ERROR', notification['priority'])
        self.assertEqual('nova-compute:ws2012', notification['publisher_id'])
        self.assertEqual(
            self.expected(server, image),
            {name: getattr(refusal, name)
             for name in self.expected(server, image)})

    def test_notification_is_that_of_the_documentation(self):
        _, server, image = self.refuse()
        notification, = (
            notification
            for notification in self.notifier.versioned_notifications
            if notification['event_type'] == 'hyperv_sched.refusal'
            and server['id'] in json.dumps(notification))
        text = json.dumps(notification)
        for value, example in (
                (server['id'], '2b7f8a0e-6f3e-4d7c-9a55-0d4b8f5f2c11'),
                (image, '9a1c7f52-3c1e-4d0e-8f6a-7d2b1c0e4a93')):
            text = text.replace(value, example)
        notification = json.loads(text, object_hook=_sort_changes)
        self.assertEqual(json.loads(SAMPLE.read_text()), notification)

    def test_refusal_is_counted_by_its_first_cause(self):
        path = self.useFixture(fixtures.TempDir()).join('nova.prom')
        with cloud.metrics_file(path):
            self.refuse()
        self.assertIn(
            'hyperv_sched_refusals_total{code="HV402",'
            'moment="prepare_for_spawn"} 1.0\n',
            pathlib.Path(path).read_text())

    def test_refusal_does_not_depend_on_the_file_of_metrics(self):
        with cloud.metrics_file('/proc/x.prom'):
            _, server, _ = self.refuse()
        self.assertIn('HV501', server['fault']['message'])

    def test_refusal_does_not_depend_on_the_message_bus(self):
        with mock.patch.object(notifications, 'rpc') as rpc:
            rpc.get_versioned_notifier.side_effect = OSError('no bus')
            log, server, _ = self.refuse()
        self.assertIn('HV501', server['fault']['message'])
        self.assertIn('Cannot send the notification of a refusal', log)
