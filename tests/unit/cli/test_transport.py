# SPDX-License-Identifier: Apache-2.0

import io
from unittest import mock

from keystoneauth1 import session
import requests

from hyperv_sched.cli import transport
from tests.unit import base


class LimitedSocketTestCase(base.TestCase):

    def read(self, *pieces, size=1_000_000):
        """Read pieces that come after so many seconds each."""
        now = 0.0

        def readinto(buffer):
            nonlocal now
            length, seconds = next(coming)
            now += seconds
            return length

        coming = iter(pieces)
        source = transport._LimitedSocket(
            mock.Mock(io.RawIOBase, readinto=readinto), size)
        with mock.patch('time.monotonic', lambda: now):
            for _ in pieces:
                source.readinto(bytearray(64 * 1024))

    def refused(self, *pieces, **options):
        return str(self.assertRaises(
            transport.ResponseError, self.read, *pieces, **options))

    def test_bytes(self):
        self.read((4000, 0), (96, 0), size=4096)
        self.assertIn('more than 4096 bytes',
                      self.refused((4000, 0), (97, 0), size=4096))

    def test_slow_response_is_an_error(self):
        self.read((1, 0), (1, 30), (1, 30))
        self.assertIn('the response is too slow: 3 bytes in 61 seconds',
                      self.refused((1, 0), (1, 30), (1, 31)))

    def test_long_response_may_take_longer(self):
        """60 s, and one for each 4 KiB."""
        long = [(40_960, 0), *[(40_960, 10)] * 9]
        self.read(*long, (0, 69))
        self.refused(*long, (0, 71))

    def test_first_byte_may_take_any_time(self):
        """The store of an upload may be slow."""
        self.read((1, 3600), (1, 0))


class MountTestCase(base.TestCase):

    def test_options_of_the_session_are_kept(self):
        found = session.Session(session=requests.Session())
        adapter = session.TCPKeepAliveAdapter()
        adapter.tls_ciphers = 'ECDHE+AESGCM'
        adapter.tls_min_version = '1.3'
        found.session.mount('https://', adapter)
        transport.mount(found)
        mounted = found.session.get_adapter('https://example.org')
        self.assertIsInstance(mounted, transport.Adapter)
        self.assertEqual(('ECDHE+AESGCM', '1.3'),
                         (mounted.tls_ciphers, mounted.tls_min_version))

    def test_every_connection_is_limited(self):
        """Also those through a proxy."""
        found = session.Session(session=requests.Session())
        transport.mount(found)
        for scheme in ('http', 'https'):
            adapter = found.session.get_adapter(f'{scheme}://example.org')
            for manager in (
                    adapter.poolmanager,
                    adapter.proxy_manager_for('http://proxy:3128')):
                pool = manager.connection_from_url(f'{scheme}://example.org')
                self.assertIn('_LimitedSocket', (
                    pool.ConnectionCls.response_class.__init__
                    .__code__.co_names))
