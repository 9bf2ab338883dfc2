# SPDX-License-Identifier: Apache-2.0
"""The page of "cloud audit" in a real browser."""

import contextlib
import io
import json
import random

import testtools

from hyperv_sched.cli import main
from tests import files
from tests.browser import browser

HOSTILE = ('<img src=x onerror=alert(1)>', '</script><script>alert(2)',
           '\u202egnp.exe', '=1+1', "'\"><svg onload=alert(3)>", '\x1b[2J',
           '<!--<script>', '@DATA@', '\u2028')

KINDS = (('hyperv', 6002), ('hyperv', 6003), ('hyperv', 10000),
         ('QEMU', 8002000), ('hyperv', 0))


def hosts(number):
    return [{'hypervisor_hostname': f'host-{index}',
             'hypervisor_type': kind, 'hypervisor_version': version,
             'state': 'down' if index % 97 == 0 else 'up',
             'status': 'disabled' if index % 131 == 0 else 'enabled'}
            for index in range(number)
            for kind, version in [KINDS[index % len(KINDS)]]]


def images(number):
    """Images of as many kinds as there are images, the worst case."""
    chance = random.Random(1)  # noqa: S311
    return [{'id': f'id-{index}', 'name': f'image {index}',
             'disk_format': 'vhdx', 'hypervisor_type': 'hyperv',
             'hw_machine_type': chance.choice(
                 ['hyperv-gen2'] * 6 + ['hyperv-gen1', 'hyperv-gen3']),
             'hypervisor_version_requires': chance.choice(
                 ('>=6.3', '>=10.0', '>=10.0.14393')) + f',!=7.{index}'}
            for index in range(number)]


class PageTestCase(files.FilesMixin, testtools.TestCase):

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.cleanUp)
        cls.browser.setUp()

    def setUp(self):
        super().setUp()
        self.browser.events.clear()

    def page(self, image_list, host_list):
        """Run an audit and return the path of its page."""
        path = self.directory / 'report.html'
        with contextlib.redirect_stdout(io.StringIO()):
            code = main.main([
                'cloud', 'audit', '--output', str(path), '--images',
                self.file('images.json', json.dumps(image_list).encode()),
                '--hosts', self.file('hosts.json', json.dumps(
                    {'hypervisors': host_list}).encode())])
        self.assertEqual(1, code)
        return path

    def texts(self, selector):
        return self.browser.run(
            f'[...document.querySelectorAll({json.dumps(selector)})]'
            '.map(node => node.innerText)')

    def test_sort_filter_and_details(self):
        self.browser.open(self.page(images(30), hosts(50)))
        rows = len(self.texts('#findings tbody tr'))
        self.browser.click('[data-sort=code]')
        codes = self.texts('#findings tbody td:nth-child(2)')
        self.assertEqual(sorted(codes), codes)
        self.browser.click('[data-sort=code]')
        self.assertEqual(sorted(codes, reverse=True),
                         self.texts('#findings tbody td:nth-child(2)'))
        self.browser.fill('#filter', 'id-7')
        self.browser.wait('document.querySelectorAll("#matrix tbody tr")'
                          '.length === 1')
        self.assertIn('id-7 (image 7)', self.texts('#matrix tbody th')[0])
        self.assertLess(len(self.texts('#findings tbody tr')), rows)
        self.browser.click('#matrix tbody button')
        self.browser.wait('!document.getElementById("detail").hidden')
        self.assertIn('id-7', self.texts('#detail')[0])
        self.browser.fill('#hosts', '6.2 down')
        self.browser.wait('document.querySelectorAll("#matrix thead th")'
                          '.length === 2')
        self.assertEqual([], self.browser.errors())

    def test_hostile_names_are_text(self):
        self.browser.open(self.page(
            [{**image, 'id': name, 'name': name, 'trait:' + name: 'required'}
             for image, name in zip(images(9), HOSTILE, strict=True)],
            [{**host, 'hypervisor_hostname': name, 'hypervisor_type': name}
             for host, name in zip(hosts(9), HOSTILE, strict=True)]))
        self.assertEqual(0, self.browser.run(
            'document.querySelectorAll("img, svg, iframe").length'))
        self.assertEqual(2, self.browser.run('document.scripts.length'))
        text = self.browser.run('document.body.textContent')
        self.assertIn('<img src=x onerror=alert(1)>', text)
        self.assertIn('\\u202egnp.exe', text)
        for character in ('\u202e', '\x1b', '\u2028'):
            self.assertNotIn(character, text)
        self.assertEqual([], self.browser.errors())

    def test_policy_forbids_other_scripts(self):
        self.browser.open(self.page(images(3), hosts(5)))
        self.browser.run('''(() => {
            const script = document.createElement('script');
            script.textContent = 'window.broken = 1';
            document.body.append(script);
        })()''')
        self.assertIsNone(self.browser.run('window.broken'))

    def test_dark_light_and_phone(self):
        path = self.page(images(30), hosts(50))
        colors, shots = set(), set()
        for dark in (False, True):
            for width in (1200, 390):
                self.browser.open(path, dark, width, 800)
                colors.add(self.browser.run(
                    'getComputedStyle(document.body).backgroundColor'))
                shots.add(self.browser.screenshot())
                # Tables scroll in themselves: the page does not.
                self.assertLessEqual(self.browser.run(
                    'document.documentElement.scrollWidth'), width)
        self.assertEqual({'rgb(255, 255, 255)', 'rgb(20, 23, 27)'}, colors)
        self.assertEqual(4, len(shots))

    def test_large_cloud(self):
        """2,000 kinds of images, and 5,000 hosts."""
        path = self.page(images(2000), hosts(5000))
        self.assertLess(path.stat().st_size, 8 * 1024 ** 2)
        self.browser.open(path)
        self.browser.fill('#filter', 'image 1999')
        self.browser.wait('document.querySelectorAll("#matrix tbody tr")'
                          '.length === 1')
        self.assertEqual([], self.browser.errors())
