# SPDX-License-Identifier: Apache-2.0
"""A signal at any moment of an upload leaves the whole image, or none."""

import json
import pathlib
import signal
import subprocess
import sys
import uuid

from tests import guests
from tests import samples
from tests.functional.glance import cloud

GOOD = samples.vhdx(block_size=samples.MIB, guest=guests.bootable())
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class SignalsTestCase(cloud.CloudTestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.runner = subprocess.Popen(
            [sys.executable, '-W', 'ignore', '-m',
             'tests.functional.glance.traced'], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            cwd=pathlib.Path(__file__).parents[3])
        cls.addClassCleanup(cls.runner.communicate)

    def setUp(self):
        super().setUp()
        self.path = self.file('disk.vhdx', GOOD)

    def upload(self, *argv, moment=None, number=None, ignored=False):
        """Return the name and what happened."""
        name = uuid.uuid4().hex
        self.runner.stdin.write(json.dumps({
            'argv': ['image', 'upload', self.path, '--name', name, *argv],
            'environment': self.environment, 'moment': moment,
            'number': number, 'ignored': ignored}) + '\n')
        self.runner.stdin.flush()
        return name, json.loads(self.runner.stdout.readline())

    def left(self, name):
        _, text = self.glance.request(
            f'/v2/images?visibility=all&name={name}')
        return [(image['id'], image['status'], image['size'])
                for image in json.loads(text)['images']]

    def check(self, moments, *argv):
        """Send a signal at each moment; return how many left an image."""
        whole = 0
        for turn, moment in enumerate(moments):
            number = SIGNALS[turn % len(SIGNALS)]
            name, done = self.upload(*argv, moment=moment, number=number)
            case = f'{moment} {number!r} {done}'
            left = self.left(name)
            if left:
                whole += 1
                (image_id, status, size), = left
                self.assertEqual(('active', len(GOOD)), (status, size), case)
                self.assertIn(image_id, done['out'] + done['err'], case)
            self.assertIn(done['code'], (130, 0) if left else (130, 2), case)
            self.assertNotIn('Traceback', done['err'], case)
        return whole

    def moments(self, *argv, code=0):
        _, done = self.upload(*argv)
        self.assertEqual(code, done['code'], done['err'])
        return json.loads(done['moments'])

    def test_upload(self):
        moments = self.moments('-f', 'json')
        # The lines that make an image, and some of those around.
        making = [moment for moment in moments if moment.startswith(
            ('upload._upload', 'signals.finish', 'transport.send'))]
        others = [moment for moment in moments if moment.startswith(
            ('upload.take_action', 'upload._uploaded', 'upload._row',
             'upload.produce_output', 'upload.verify', 'upload.read',
             'signals.', 'image_api.create', 'image_api.upload', 'base.run'))]
        chosen = [*making[::2], *others[::8], others[-1]]
        self.assertGreater(len(chosen), 15)
        whole = self.check(chosen, '-f', 'json')
        # At the beginning there is none yet, at the end there is one.
        self.assertGreater(whole, 0)
        self.assertLess(whole, len(chosen))

    def test_signal_while_a_refused_image_is_deleted(self):
        argv = ('--disk-format', 'vhd', '--force', '-f', 'json')
        moments = self.moments(*argv, code=2)
        chosen = [moment for moment in moments if moment.startswith(
            ('upload._delete', 'image_api.delete'))]
        self.assertGreater(len(chosen), 5)
        self.assertEqual(0, self.check(chosen, *argv))

    def test_ignored_signal_stays_ignored(self):
        """As nohup has it."""
        moment = next(moment for moment in self.moments('-f', 'json')
                      if moment.startswith('image_api.upload'))
        for ignored, code, statuses in ((False, 130, []),
                                        (True, 0, ['active'])):
            name, done = self.upload(
                '-f', 'json', moment=moment, number=signal.SIGHUP,
                ignored=ignored)
            self.assertEqual((code, statuses), (
                done['code'], [status for _, status, _ in self.left(name)]),
                done['err'])
