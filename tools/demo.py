# SPDX-License-Identifier: Apache-2.0
"""Lint sample images, then boot them in a small cloud of real Nova.

API, conductor, scheduler, placement and four computes run in this process
on SQLite. Only the hypervisors are made up: the computes report what
Windows Server 2012, 2012 R2, 2022 and a KVM host would.
"""

import collections
import json
import logging
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import prettytable

from tests import guests
from tests import properties
from tests import samples

# Before anything else of Nova.
import tests.functional.nova  # noqa: F401
from tests.functional.nova import cloud
from tests.functional.nova import fakes

HOSTS = {'ws2012': 'Windows Server 2012', 'ws2012r2': 'Windows Server 2012 R2',
         'ws2022': 'Windows Server 2022', 'kvm': 'KVM'}

Sample = collections.namedtuple(
    'Sample', 'name file data properties lint servers')
#: expect is the hosts that may run the server, or the code of the refusal.
Server = collections.namedtuple('Server', 'name expect forced_host',
                                defaults=(None,))

GENERATION_2 = properties.GENERATION_2
GENERATION_1 = {'hypervisor_type': 'hyperv'}

UEFI = samples.uefi_vhdx()
BIOS = samples.bios_vhdx()
UEFI_VHD = samples.dynamic_vhd(guest=guests.bootable())
BIOS_VHD = samples.dynamic_vhd(guest=guests.bios_bootable())

SAMPLES = (
    Sample('win2022', 'win2022.vhdx', UEFI, GENERATION_2, (), (
        Server('web1', ('ws2012r2', 'ws2022')),
        Server('web2', ('ws2012r2', 'ws2022')),
        Server('web3, forced to ws2012', 'HV501', 'ws2012'))),
    Sample('win2022-new', 'win2022.vhdx', UEFI, {
        **GENERATION_2, 'hypervisor_version_requires': '>=10.0'}, (), (
        Server('sql1', ('ws2022',)),)),
    Sample('win2008', 'win2008.vhd', BIOS_VHD, GENERATION_1, (),
           (Server('old1', ('ws2012', 'ws2012r2', 'ws2022')),)),
    Sample('cirros', 'cirros.qcow2', samples.qcow2(),
           {'hypervisor_type': 'qemu'}, (), (Server('linux1', ('kvm',)),)),
    Sample('gen2-in-vhd', 'win2019.vhd', UEFI_VHD, GENERATION_2,
           ('HV202',), (Server('bad1', 'HV502'),)),
    Sample('gen1-disk', 'win2016.vhdx', BIOS, GENERATION_2, ('HV302',), ()),
    Sample('typo', 'win2022.vhdx', UEFI,
           {**GENERATION_2, 'hw_machine_type': 'hyperv-gen3'}, ('HV101',),
           (Server('bad2', 'HV405'),)),
    Sample('build-number', 'win2022.vhdx', UEFI, {
        **GENERATION_2, 'hypervisor_version_requires': '>=10.0.17763'},
        ('HV105',), (Server('bad3', 'HV404'),)),
)


class ReaderGoneError(KeyboardInterrupt):
    """The reader of standard output has closed it, as head does.

    Test cases catch any other exception.
    """


def show(line):
    """Print a line at once.

    :raises ReaderGoneError: the output has no reader
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise ReaderGoneError from None


def say(text):
    """Print a heading."""
    show(f'\n== {text}')


def table(header, rows):
    """Print an aligned table, wrapped for a terminal."""
    shown = prettytable.PrettyTable(header)
    shown.align = 'l'
    shown.hrules = prettytable.HRuleStyle.HEADER
    shown.vertical_char = shown.junction_char = ' '
    shown.left_padding_width = 0
    shown.add_rows(rows)
    # The last column takes what the others leave of the terminal.
    others = sum(3 + max(len(line) for row in (header, *rows)
                         for line in str(row[index]).splitlines() or [''])
                 for index in range(len(header) - 1))
    columns = shutil.get_terminal_size((100, 24)).columns
    shown.max_width[header[-1]] = max(24, columns - others - 2)
    for line in shown.get_string().splitlines():
        show(line.rstrip())


def lint(directory):
    """Lint the samples by the real command; return what went wrong."""
    wrong, rows = [], []
    for sample in SAMPLES:
        path = pathlib.Path(directory, sample.file)
        path.write_bytes(sample.data)
        command = [pathlib.Path(sys.executable).with_name('hyperv-sched'),
                   'image', 'lint', '-f', 'json', '--disk-format',
                   path.suffix[1:], path]
        for pair in sample.properties.items():
            command += ['--property', '='.join(pair)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
        found = json.loads(done.stdout) if done.returncode < 2 else []
        codes = tuple(f['code'] for f in found)
        if codes != sample.lint or done.returncode != bool(sample.lint):
            wrong.append(f'lint of {sample.name}: exit {done.returncode}, '
                         f'{codes}; expected {sample.lint}')
        verdict = '\n'.join(f'{f["code"]} {f["message"]}' for f in found) or (
            'could not be judged' if done.returncode else 'good')
        rows.append([sample.name, sample.file, verdict])
    table(['IMAGE', 'FILE', 'VERDICT'], rows)
    return wrong


class Demo(cloud.EnforcedCloud):
    """A cloud with the filter in the scheduler and enforced drivers."""

    hosts = tuple(HOSTS)
    filters = cloud.HyperVCloud.filters
    # Of the class: Nova's TestCase wipes an instance after its run.
    wrong = []

    def runTest(self):
        """Boot a server from each image and print the results."""
        say('Booting servers from these images')
        rows = []
        for sample in SAMPLES:
            image = self.image(
                sample.name, pathlib.Path(sample.file).suffix[1:],
                sample.data, **sample.properties)
            for server in sample.servers:
                rows.append([server.name, sample.name,
                             *self.try_to_boot(server, image)])
        table(['SERVER', 'IMAGE', 'HOST', 'REASON'], rows)

    def try_to_boot(self, wanted, image):
        """Boot a server; return its host and its fault."""
        server = self.boot(
            image, name=wanted.name,
            az=wanted.forced_host and f'nova:{wanted.forced_host}')
        host = self.host_of(server) if server['status'] == 'ACTIVE' else '-'
        reason = server.get('fault', {}).get('message', '')
        met = (wanted.expect in re.findall(r'\w+', reason)
               if isinstance(wanted.expect, str) else host in wanted.expect)
        if not met:
            self.wrong.append(f'server {wanted.name}: on {host}, {reason!r}; '
                              f'expected {wanted.expect}')
        # Which server and which image, the row says.
        return host, reason.partition(' is unacceptable: ')[2] or reason


def boot():
    """Run the cloud; return what went wrong."""
    say('Starting nova-api, conductor, scheduler, placement and these hosts')
    table(['HOST', 'RUNS', 'REPORTS'], [
        [host, title, '{}, version {}'.format(*fakes.REPORTS[host])]
        for host, title in HOSTS.items()])
    result = unittest.TestResult()
    Demo().run(result)
    return Demo.wrong + [
        text for _, text in result.errors + result.failures]


def main():
    """Lint the sample images, then boot servers from them."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory(prefix='hyperv-sched-') as directory:
        say('Linting the sample images before upload '
            '(hyperv-sched image lint)')
        wrong = lint(directory)
    wrong += boot()
    for text in wrong:
        print(f'NOT AS IT SHOULD BE: {text}', file=sys.stderr)
    if not wrong:
        say('All as it should be')
    return bool(wrong)


if __name__ == '__main__':
    try:
        sys.exit(main())
    except ReaderGoneError:
        sys.exit(1)
    except KeyboardInterrupt:
        # The exit code reports it; Nova's hook would print a traceback.
        sys.exit(130)
