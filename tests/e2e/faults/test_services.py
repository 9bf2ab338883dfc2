# SPDX-License-Identifier: Apache-2.0
"""A service fails in the middle of a boot.

Whatever becomes of that boot: nothing runs on a host that cannot run it,
nothing is held for what does not run, and the next boot goes well.
"""

import contextlib

from tests.e2e import base
from tests.e2e import cloud as e2e_cloud


class FailingTestCase(base.StoryTestCase):

    def setUp(self):
        super().setUp()
        self.image = self.cloud.image(**e2e_cloud.GENERATION_2)

    def begin(self):
        """Ask for a server and do not wait for it."""
        return self.cloud.create(self.image)

    def assert_recovers(self, *begun):
        server = self.cloud.boot(self.image)
        self.assertEqual('ACTIVE', server.status, server.fault)
        self.assertEqual({server.compute_host}, self.cloud.allocated(server))
        for each in (server, *begun):
            each = self.cloud.server(each)
            if each.status == 'ACTIVE':
                self.assertIn(each.compute_host, e2e_cloud.NEW_ENOUGH)
                # Nova itself loses one with its database now and then.
                self.assertLessEqual(self.cloud.allocated(each),
                                     {each.compute_host})
            if each.status == 'ERROR':
                self.assertEqual(set(), self.cloud.allocated(each))

    def assert_fails(self, server):
        server = self.cloud.settle(server)
        self.assertEqual('ERROR', server.status)
        self.assertEqual(set(), self.cloud.allocated(server))


class ServiceTestCase(FailingTestCase):

    def test_scheduler_is_killed_with_a_request(self):
        with contextlib.ExitStack() as stack:
            # It waits for an answer from placement.
            stack.enter_context(self.cloud.frozen('placement'))
            begun = self.begin()
            self.cloud.heard('nova-scheduler', 'Starting to schedule',
                             begun.id)
            self.cloud.stop('nova-scheduler', kill=True)
        self.cloud.start('nova-scheduler')
        # The conductor waits for an answer for a minute.
        self.assert_fails(begun)
        self.assert_recovers(begun)

    def test_placement_is_down(self):
        with self.cloud.without('placement', kill=True):
            begun = self.begin()
            server = self.cloud.settle(begun)
            self.assertEqual('ERROR', server.status)
        self.assert_fails(begun)
        self.assert_recovers(begun)

    def test_glance_is_down_at_the_spawn(self):
        enforced = self.cloud.hosts('hyperv', enforced=True, version=6003)
        with self.cloud.only(*enforced):
            with self.cloud.frozen('nova-scheduler'):
                begun = self.begin()
                self.cloud.stop('glance', kill=True)
            try:
                self.assert_fails(begun)
            finally:
                self.cloud.start('glance')
            self.cloud.heard(
                f'nova-compute-{enforced[0]}', 'Refused: ', '"HV509"',
                'the image cannot be read now: ', begun.id)
            self.assert_recovers(begun)

    def test_database_is_restarted(self):
        self.restart_under_way('mariadb')

    def test_message_bus_is_restarted(self):
        self.restart_under_way('rabbitmq')

    def restart_under_way(self, service):
        begun = [self.begin() for _ in range(5)]
        self.cloud.stop(service, kill=True)
        self.cloud.start(service)
        self.cloud.wait_for(self.boots_again)
        self.assert_recovers(*begun)

    def boots_again(self):
        """Services of Nova reconnect in their own time.

        A request until then may be lost: such a server is in BUILD for
        ever.
        """
        with contextlib.suppress(AssertionError):
            return self.cloud.settle(
                self.begin(), patience=30).status == 'ACTIVE'


class GarbageTestCase(FailingTestCase):
    """A host says of itself what no Hyper-V host says."""

    def assert_refused(self, code):
        with self.cloud.only('ws2022'):
            server = self.cloud.boot(self.image)
        self.assertEqual('ERROR', server.status)
        self.assertIn(code, self.cloud.fault(server))
        self.assertEqual(set(), self.cloud.allocated(server))
        # Others are judged as ever.
        self.assert_recovers(server)

    def test_version_that_a_host_reports(self):
        name, service = 'nova-compute-ws2022.conf', 'nova-compute-ws2022'
        text = (self.cloud.state.etc / name).read_text()
        for version in ('0', '7'):
            with self.cloud.configured(name, text.replace(
                    'hypervisor_version = 10000',
                    f'hypervisor_version = {version}'), service):
                self.assert_refused('HV403')

    def test_what_is_in_the_database(self):
        update = 'UPDATE compute_nodes SET {} = %s WHERE host = %s'
        for column, value, right, code in (
                ('hypervisor_version', -1, 10000, 'HV403'),
                ('hypervisor_version', 999, 10000, 'HV403'),
                ('hypervisor_type', '', 'hyperv', 'HV40'),
                ('hypervisor_type', 'hyperv\n\x1b[2J', 'hyperv', 'HV401')):
            self.addCleanup(self.cloud.sql, 'nova_cell1',
                            update.format(column), right, 'ws2022')
            self.cloud.sql('nova_cell1', update.format(column), value,
                           'ws2022')
            self.assert_refused(code)
            self.cloud.sql('nova_cell1', update.format(column), right,
                           'ws2022')
