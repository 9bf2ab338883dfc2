# SPDX-License-Identifier: Apache-2.0
"""The command line."""

from __future__ import annotations

import argparse
import collections
from collections.abc import Sequence
import os
import pathlib
import shlex
import sys
import time

from tests import guests
from tests import samples
from tools.cloud import cloud as clouds
from tools.cloud import errors
from tools.cloud import process
from tools.cloud import services
from tools.cloud import software
from tools.cloud import state as cloud_state

_DESCRIPTION = '''\
A real OpenStack on this machine, with hyperv-sched in it: Keystone, Glance,
placement, Nova with five hosts that say they are Windows Server 2012, 2012
R2, 2022 (one with, one without hyperv_sched.EnforcedDriver) and KVM, MariaDB
and RabbitMQ. All of them processes of yours, on loopback, with all that they
have in one directory.

  tools/devcloud up
  eval "$(tools/devcloud env)"        the user demo; "env admin" for admin
  openstack server create --no-network --flavor small --image ID NAME
  tools/devcloud down

It needs Python 3.11 and Debian or Ubuntu, and neither root nor installed
packages.
'''

_EPILOG = '''\
exit code: 0 done, or all services up; 1 something failed, or some are down;
2 wrong usage; 3 (status) all are down; 130 interrupted, and down again
'''

#: Lines of a log that say why a service has ended.
_TAIL = 25


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code."""
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command == 'logs' and args.lines < 1:
        parser.error('--lines must be at least 1')
    try:
        cloud = clouds.Cloud(cloud_state.State(pathlib.Path(args.state)))
        return _COMMANDS[args.command](cloud, args)
    except errors.CloudError as exc:
        if exc.log is not None and exc.log.exists():
            print(f'--- the end of {exc.log}:', file=sys.stderr)
            print(_tail(exc.log, _TAIL), end='', file=sys.stderr)
            print('---', file=sys.stderr)
        print(f'error: {exc}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('interrupted: what was begun has been ended', file=sys.stderr)
        return 130
    except BrokenPipeError:
        # "devcloud logs | head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as exc:
        print(f'error: {exc}', file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='tools/devcloud', description=_DESCRIPTION, epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--state', metavar='DIR',
        default=os.environ.get('DEVCLOUD_STATE',
                               cloud_state.TOP / '.devcloud'),
        help='state directory of the cloud; several run side by side (default:'
             ' DEVCLOUD_STATE, or .devcloud in the checkout)')
    commands = parser.add_subparsers(dest='command', required=True,
                                     metavar='COMMAND')

    def add(name: str, text: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=text)

    command = add('up', 'install, set up and start what is missing')
    command.add_argument('--fresh', action='store_true',
                         help='begin with an empty cloud')
    command = add('down', 'end all services; what they hold stays on disk')
    command.add_argument('--purge', action='store_true',
                         help='remove all that is on disk, too')
    add('status', 'tell which services are up')
    command = add('env', 'print variables for a shell: the clients in PATH,'
                         ' and whose cloud they talk to')
    command.add_argument('user', nargs='?', choices=('demo', 'admin'),
                         default='demo')
    command = add('logs', "show the log of a service; without a name,"
                          ' list the files')
    command.add_argument('service', nargs='?')
    command.add_argument('-f', '--follow', action='store_true',
                         help='go on as it says more')
    command.add_argument('-n', '--lines', type=int, default=200,
                         help='how many of the last lines (default: 200)')
    for name, text in (('start', 'start services and wait for them'),
                       ('stop', 'end services'),
                       ('restart', 'end services and start them again')):
        command = add(name, text)
        command.add_argument('service', nargs='+')
        if name == 'stop':
            command.add_argument('--kill', action='store_true',
                                 help='at once, as a crash would')
        else:
            command.add_argument(
                '--no-wait', action='store_true',
                help='return before they are ready')
    command = add('disks', 'write small disks to make images of: uefi.vhdx'
                           ' for generation 2, bios.vhdx for generation 1')
    command.add_argument('directory', nargs='?', default='.',
                         type=pathlib.Path)
    add('install', 'install hyperv-sched from the checkout while the'
                   ' services run on; restart those that are to take it')
    return parser


def _up(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    begun = time.monotonic()
    if cloud.up(_report, args.fresh):
        print(f'The cloud is up, after {time.monotonic() - begun:.0f} s. Use'
              f' it:\n  eval "$(tools/devcloud{_option(args)} env)"')
    else:
        print('The cloud is up already.')
        if not software.is_current(cloud.state):
            print('hyperv-sched in it is not that of this checkout:'
                  ' "tools/devcloud install", and restart what is to take'
                  ' it.')
    return 0


def _option(args: argparse.Namespace) -> str:
    """Return the option --state, unless it has the default."""
    default = _parser().get_default('state')
    return ('' if args.state == default
            else f' --state {shlex.quote(str(args.state))}')


def _report(name: str, seconds: float) -> None:
    # Steps that had nothing to do are not news.
    if seconds >= 0.05:
        print(f'  {name:<28}{seconds:6.1f} s', flush=True)


def _down(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    if args.purge:
        if cloud.state.root.exists():
            cloud.purge()
        print('The cloud is down, and nothing is left of it.')
        return 0
    if not process.find(cloud.state):
        print('The cloud is down already.')
        return 0
    for name in cloud.down():
        print(f'{name} did not end by itself and was killed')
    print('The cloud is down.')
    return 0


def _status(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    known = services.services(cloud.state)
    running = process.leaders(cloud.state)
    memory: dict[str, int] = {}
    for found in process.find(cloud.state):
        memory[found.name] = memory.get(found.name, 0) + found.memory
    print(f'{"service":<28}{"":6}{"pid":>8}{"port":>7}{"MiB":>7}')
    for name in known:
        leader = running.get(name)
        port = cloud.state.ports.get(name, '')
        if leader:
            print(f'{name:<28}{"up":6}{leader.pid:>8}{port:>7}'
                  f'{memory[name] >> 20:>7}')
        else:
            print(f'{name:<28}{"down":6}{"":>8}{port:>7}')
    up = sum(name in running for name in known)
    total = sum(memory.values()) >> 20
    print(f'{up} of {len(known)} services are up, {total} MiB;'
          f' {cloud.state.root}')
    return 0 if up == len(known) else 3 if up == 0 else 1


def _env(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    if not cloud.state.clouds_yaml.exists():
        raise errors.CloudError(
            f'there is no cloud in {cloud.state.root}: "tools/devcloud up"'
            ' makes one')
    # Variables of another cloud would win over OS_CLOUD.
    stale = sorted(name for name in os.environ
                   if name.startswith('OS_')
                   and name not in ('OS_CLOUD', 'OS_CLIENT_CONFIG_FILE'))
    if stale:
        print(f'unset {" ".join(stale)}')
    print(f'export OS_CLIENT_CONFIG_FILE={cloud.state.clouds_yaml}')
    print(f'export OS_CLOUD={args.user}')
    path = f'{cloud.state.bin}'
    if path not in os.environ.get('PATH', '').split(':'):
        print(f'export PATH={path}:"$PATH"')
    return 0


def _logs(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    logs = {path.stem: path for place in (cloud.state.software,
                                          cloud.state.log)
            for path in sorted(place.glob('*.log'))}
    if not args.service:
        for path in logs.values():
            print(path)
        return 0
    if args.service not in logs:
        raise errors.CloudError(
            f'there is no log of {args.service}; there are'
            f' {", ".join(logs) or "none"}')
    print(_tail(logs[args.service], args.lines), end='', flush=True)
    if args.follow:
        with open(logs[args.service], errors='replace') as log:
            log.seek(0, os.SEEK_END)
            while True:
                print(log.read(), end='', flush=True)
                time.sleep(0.2)
    return 0


def _tail(path: pathlib.Path, lines: int) -> str:
    """Return the last lines of a log, of up to some 500 characters each."""
    with open(path, 'rb') as log:
        log.seek(0, os.SEEK_END)
        log.seek(max(0, log.tell() - 500 * lines))
        text = log.read().decode(errors='replace')
    return ''.join(collections.deque(text.splitlines(keepends=True), lines))


def _start(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    cloud.start(args.service, _report, not args.no_wait)
    return 0


def _stop(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    cloud.stop(args.service, args.kill)
    return 0


def _restart(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    cloud.restart(args.service, _report, not args.no_wait)
    return 0


def _install(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    if cloud.install():
        print('Installed. Services take it when they are started again.')
    else:
        print('hyperv-sched is that of this checkout already.')
    return 0


def _disks(cloud: clouds.Cloud, args: argparse.Namespace) -> int:
    for name, guest in (('uefi', guests.bootable()),
                        ('bios', guests.bios_bootable())):
        path = args.directory / f'{name}.vhdx'
        path.write_bytes(samples.vhdx(block_size=samples.MIB, guest=guest))
        print(path)
    return 0


_COMMANDS = {
    'up': _up, 'down': _down, 'status': _status, 'env': _env, 'logs': _logs,
    'start': _start, 'stop': _stop, 'restart': _restart,
    'install': _install, 'disks': _disks}
