# SPDX-License-Identifier: Apache-2.0
"""The check of nova-compute versions over databases with Nova's tables."""

import json
import pathlib
import tempfile

from nova.db.api import models as api_models
from nova.db.main import models as main_models
from nova.objects import service as nova_service
import sqlalchemy
import testtools

from tests import forked

SUPPORTED = nova_service.SERVICE_VERSION_ALIASES[
    nova_service.OLDEST_SUPPORTED_SERVICE_VERSION]
WORKAROUND = '[workarounds]\ndisable_compute_service_check_for_ffu = true\n'


class ComputeVersionsTestCase(testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.directory = pathlib.Path(directory.name)
        cls.command = forked.Command(
            'hyperv_sched.cli.status.command:main', 'nova.conf',
            'hyperv_sched.filters', 'hyperv_sched.cli.status.nova_database')
        cls.addClassCleanup(cls.command.close)
        api = cls.create('api', api_models.BASE)
        with api.begin() as connection:
            connection.execute(api_models.CellMapping.__table__.insert(), [{
                'uuid': f'00000000-0000-0000-0000-00000000000{index}',
                'name': name, 'transport_url': 'none:///',
                'database_connection': f'sqlite:///{cls.directory}/{name}',
                'disabled': False}
                for index, name in enumerate(('cell0', 'cell1', 'cell2'))])
        cls.cells = {name: cls.create(name, main_models.BASE)
                     for name in ('cell0', 'cell1', 'cell2')}

    @classmethod
    def create(cls, name, base):
        engine = sqlalchemy.create_engine(f'sqlite:///{cls.directory}/{name}')
        cls.addClassCleanup(engine.dispose)
        base.metadata.create_all(engine)
        return engine

    def register(self, cell, *versions, **values):
        services = main_models.Service.__table__
        with self.cells[cell].begin() as connection:
            connection.execute(services.insert(), [{
                'host': f'{cell}-{index}', 'binary': 'nova-compute',
                'topic': 'compute', 'version': version, 'report_count': 1,
                'disabled': False, 'deleted': 0, **values}
                for index, version in enumerate(versions)])
        self.addCleanup(self.clear, cell)

    def clear(self, cell):
        with self.cells[cell].begin() as connection:
            connection.execute(main_models.Service.__table__.delete())

    def check(self, text='', options=('--database',), name='api'):
        path = self.directory / 'nova.conf'
        path.write_text('[api_database]\nconnection = '
                        f'sqlite:///{self.directory}/{name}\n{text}')
        done = self.command.run(
            'upgrade', 'check', '--json', '--nova-conf', path, *options)
        return next((check['result'], check['details'])
                    for check in json.loads(done.stdout)['checks']
                    if check['check'] == 'Nova compute versions')

    def test_oldest_supported_version(self):
        self.register('cell1', SUPPORTED)
        self.register('cell2', SUPPORTED + 1)
        self.assertEqual((0, None), self.check())

    def test_older_in_one_cell_is_a_failure(self):
        self.register('cell1', SUPPORTED, SUPPORTED - 1)
        self.register('cell2', SUPPORTED - 1)
        result, details = self.check()
        self.assertEqual(2, result)
        self.assertIn(f'2 of 3 nova-computes are older than service version '
                      f'{SUPPORTED}', ' '.join(details.split()))

    def test_older_is_a_warning_where_nova_starts_with_it(self):
        self.register('cell1', SUPPORTED - 1)
        self.assertEqual(1, self.check(WORKAROUND)[0])

    def test_deleted_and_other_services_do_not_count(self):
        self.register('cell1', SUPPORTED - 1, deleted=1)
        self.register('cell2', SUPPORTED - 1, binary='nova-conductor')
        self.assertEqual((0, None), self.check())

    def test_database_that_is_missing_is_a_warning(self):
        result, details = self.check(name='missing/api')
        self.assertEqual(1, result)
        self.assertIn('The database of Nova was not read', details)

    def test_password_is_not_shown(self):
        for url in ('mysql+pymysql://nova:secret@127.0.0.1:1/nova',
                    'nova:secret'):
            result, details = self.check(f'connection = {url}\n')
            self.assertEqual(1, result)
            self.assertNotIn('secret', details)

    def test_not_read_without_the_option(self):
        self.register('cell1', SUPPORTED - 1)
        result, details = self.check(options=())
        self.assertEqual(-1, result)
        self.assertIn('--database', details)
