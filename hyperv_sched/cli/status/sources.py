# SPDX-License-Identifier: Apache-2.0
"""Read the files that services read, without the services.

Only the options that some check needs are registered. Their names, types and
defaults are those of Nova 34.0.0 (``nova/conf/scheduler.py``,
``nova/conf/compute.py``; the same since 26.0.0) and of Glance 33.0.0
(``glance/common/config.py``, ``glance/common/wsgi.py`` and
``glance/async_/flows/api_image_import.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import dataclasses
import glob
import os
import pathlib
import stat
from typing import Any

from oslo_config import cfg
from oslo_config import types

from hyperv_sched import conf as own_options
from hyperv_sched import text
from hyperv_sched.cli.status import paste
from hyperv_sched.cli.status import problems

#: Nova's whole sample configuration has a tenth of that.
MAX_SIZE = 4 * 2**20

NOVA_OPTS: dict[str | None, list[cfg.Opt]] = {
    None: [cfg.StrOpt('compute_driver')],
    'filter_scheduler': [
        cfg.MultiStrOpt('available_filters',
                        default=['nova.scheduler.filters.all_filters']),
        cfg.ListOpt('enabled_filters', default=[
            'ComputeFilter', 'ComputeCapabilitiesFilter',
            'ImagePropertiesFilter', 'ServerGroupAntiAffinityFilter',
            'ServerGroupAffinityFilter'])],
}

GLANCE_OPTS: dict[str | None, list[cfg.Opt]] = {
    None: [cfg.DictOpt('enabled_backends')],
    'image_format': [
        cfg.BoolOpt('require_image_format_match', default=True),
        cfg.ListOpt('disk_formats', default=[
            'ami', 'ari', 'aki', 'vhd', 'vhdx', 'vmdk', 'raw', 'qcow2', 'vdi',
            'iso', 'ploop'], deprecated_group='DEFAULT')],
    'image_conversion': [
        cfg.StrOpt('output_format', default='raw',
                   choices=('qcow2', 'raw', 'vmdk'))],
    'image_import_opts': [
        cfg.ListOpt('image_import_plugins', default=[], bounds=True,
                    item_type=types.String(quotes=True)),
        cfg.IntOpt('max_parallel_stores', default=1, min=1)],
    'paste_deploy': [cfg.StrOpt('flavor'), cfg.StrOpt('config_file')],
}


@dataclasses.dataclass(frozen=True)
class Service:
    """The configuration of one service, as that service reads it.

    :ivar name: of the service
    :ivar conf: the options registered here, parsed
    :ivar files: in the order in which they were read
    :ivar groups: names of the options that are set, by group
    """

    name: str
    conf: cfg.ConfigOpts
    files: Sequence[str]
    groups: Mapping[str, Sequence[str]]

    def get(self, group: str | None, option: str) -> Any:
        """The value of an option, or its default.

        :raises problems.InvalidOption: the service cannot read it either
        """
        try:
            return (self.conf if group is None else self.conf[group])[option]
        except (cfg.Error, ValueError) as exc:
            raise problems.InvalidOption(
                f'{self.title(group, option)} is invalid: '
                f'{problems.shown(exc)}') from None

    def is_set(self, group: str, option: str) -> bool:
        """Whether a file sets the option."""
        return option in self.groups.get(group, ())

    def title(self, group: str | None, option: str) -> str:
        """Name an option, and the file that has the last word on it."""
        name = f'[{group or "DEFAULT"}] {option}'
        try:
            location = self.conf.get_location(option, group)
        except (cfg.Error, ValueError):
            return name
        if location is None or not location.location.is_user_controlled:
            return f'{name} (not set)'
        return f'{name} ({location.detail})'


@dataclasses.dataclass(frozen=True)
class Deployment:
    """What was read; None where this host has no such file."""

    scheduler: Service | None = None
    compute: Service | None = None
    glance: Service | None = None
    paste: paste.Paste | None = None

    def __iter__(self) -> Iterator[Service]:
        return iter([service for service in (
            self.scheduler, self.compute, self.glance) if service])


def read(nova: Sequence[str] = (), glance: Sequence[str] = (),
         glance_paste: str | None = None) -> Deployment:
    """Read the files that are named, else those that services would find.

    :raises problems.BadInput: one cannot be read, or there is none
    """
    if glance_paste and not glance:
        raise problems.BadInput('--glance-paste needs --glance-conf, which '
                                'says what flavor is in use')
    if nova or glance:
        return _deployment(
            _service('nova-scheduler', _nova, nova),
            _service('nova-compute', _nova, nova),
            _service('glance-api', _glance, glance), glance_paste)
    found = _deployment(_find_nova('nova-scheduler'),
                        _find_nova('nova-compute'), _find_glance())
    if not list(found):
        raise problems.BadInput(
            'no configuration of Nova or Glance was found: name one by '
            '--nova-conf or --glance-conf')
    return found


def _deployment(scheduler: Service | None, compute: Service | None,
                glance: Service | None,
                glance_paste: str | None = None) -> Deployment:
    if glance_paste is None and glance is not None:
        glance_paste = _find_paste(glance)
    if glance_paste is None:
        return Deployment(scheduler, compute, glance)
    _check_readable(glance_paste)
    return Deployment(scheduler, compute, glance, paste.read(glance_paste))


def _find_nova(name: str) -> Service | None:
    """Find what oslo.config finds for a service: two files, and ``*.d``."""
    _check_enterable('/etc/nova')
    return _service(name, _nova, cfg.find_config_files('nova', name),
                    cfg.find_config_dirs('nova', name))


def _find_glance() -> Service | None:
    """Find what ``glance.common.wsgi_app`` reads, in its order."""
    home = os.environ.get('OS_GLANCE_CONFIG_DIR', '/etc/glance').strip()
    _check_enterable(home)
    return _service('glance-api', _glance, [
        path for path in (os.path.join(home, 'glance-image-import.conf'),
                          os.path.join(home, 'glance-api.conf'))
        if os.path.exists(path)],
        cfg.find_config_dirs('glance', 'glance-api'))


def _find_paste(glance: Service) -> str | None:
    """Find it where Glance does (``_get_deployment_config_file``)."""
    path: str | None = glance.get('paste_deploy', 'config_file')
    if not path:
        name = os.path.basename(glance.files[-1])
        path = glance.conf.find_file(name.replace('.conf', '-paste.ini'))
    if not path or not os.path.exists(path):
        return None
    return os.path.abspath(path)


def _nova(conf: cfg.ConfigOpts) -> None:
    _register(conf, NOVA_OPTS)


def _glance(conf: cfg.ConfigOpts) -> None:
    _register(conf, GLANCE_OPTS)


def _register(conf: cfg.ConfigOpts,
              options: Mapping[str | None, list[cfg.Opt]]) -> None:
    own_options.register_opts(conf)
    for group, opts in options.items():
        conf.register_opts(opts, group=group)


def _service(name: str, register: Callable[[cfg.ConfigOpts], None],
             files: Sequence[str],
             directories: Sequence[str] = ()) -> Service | None:
    if not files:
        return None
    conf = cfg.ConfigOpts()
    register(conf)
    project = name.partition('-')[0]
    everything = [*files]
    for directory in directories:
        everything += sorted(glob.glob(os.path.join(directory, '*.conf')))
    groups: dict[str, list[str]] = {}
    for path in everything:
        _check_readable(path)
        for group, options in _sections(path).items():
            # The case of a group does not matter to oslo.config.
            groups.setdefault(
                group if group == 'DEFAULT' else group.lower(),
                []).extend(options)
    try:
        # The environment here is not the service's.
        conf([], project=project, prog=name, default_config_files=[*files],
             default_config_dirs=[*directories], use_env=False)
    except cfg.Error as exc:
        raise problems.BadInput(problems.shown(exc)) from None
    return Service(name, conf, tuple(map(os.path.abspath, everything)),
                   groups)


def _sections(path: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except cfg.ParseError as exc:
        # Without the line: there may be a password in it.
        raise problems.BadInput(
            f'{path} is no configuration file: line {exc.lineno}: '
            f'{exc.msg}') from None
    return sections


def _check_enterable(directory: str) -> None:
    if os.path.isdir(directory) and not os.access(directory, os.X_OK):
        raise problems.BadInput(f'{directory}: Permission denied')


def _check_readable(path: str) -> None:
    """Refuse what no service would read, before it is read as text.

    :raises problems.BadInput: with the reason
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise problems.BadInput(f'{path} is not a regular file')
        if status.st_size > MAX_SIZE:
            raise problems.BadInput(
                f'{path} is larger than {MAX_SIZE // 2**20} MiB: that is no '
                'configuration file')
        content = pathlib.Path(path).read_text()
    except OSError as exc:
        raise problems.BadInput(
            f'{path}: {text.file_error(exc, path)}') from None
    except UnicodeDecodeError as exc:
        # The service reads it in the encoding of the locale, too.
        raise problems.BadInput(
            f'{path} is not a text file in the encoding {exc.encoding}, in '
            'which services read it on this system') from None
    except ValueError:
        # Also a path with a NUL in it.
        raise problems.BadInput(f'{path} is not a text file') from None
    if '\0' in content:
        raise problems.BadInput(f'{path} is not a text file')
