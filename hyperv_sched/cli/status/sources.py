# SPDX-License-Identifier: Apache-2.0
"""Read the files that services read, without the services.

Only the options that some check needs are registered. Their names, types and
defaults are those of Nova 34.0.0 (``nova/conf/scheduler.py``,
``nova/conf/compute.py``, ``nova/conf/configdrive.py``; the same since 26.0.0,
but for ``image_metadata_prefilter``, which older ones ignore) and of Glance
33.0.0
(``glance/common/config.py``, ``glance/common/wsgi.py`` and
``glance/async_/flows/api_image_import.py``).
"""

from __future__ import annotations

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
    None: [
        cfg.StrOpt('compute_driver'),
        cfg.StrOpt('config_drive_format', default='iso9660',
                   choices=['iso9660', 'vfat']),
        cfg.ListOpt('non_inheritable_image_properties',
                    default=['cache_in_nova', 'bittorrent'])],
    'scheduler': [cfg.BoolOpt('image_metadata_prefilter', default=False)],
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
class File:
    """The sections of one configuration file.

    :ivar path: of the file, absolute
    :ivar headers: names in brackets, as written and in that order
    :ivar options: how often each option is set, by group and name. The case
        of a group does not matter to oslo.config
    """

    path: str
    headers: Sequence[str]
    options: Mapping[str, Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Service:
    """The configuration of one service, as that service reads it.

    :ivar name: of the service
    :ivar conf: the options registered here, parsed
    :ivar contents: the files, in the order in which they were read
    :ivar registered: the options registered here, by group
    """

    name: str
    conf: cfg.ConfigOpts
    contents: Sequence[File]
    registered: Mapping[str, Sequence[cfg.Opt]]

    @property
    def files(self) -> Sequence[str]:
        """Paths of the files, in the order in which they were read."""
        return [file.path for file in self.contents]

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Names of the options that are set, by group."""
        groups: dict[str, list[str]] = {}
        for file in self.contents:
            for group, options in file.options.items():
                groups.setdefault(group, []).extend(options)
        return groups

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
    """What was read; None where this host has no such file.

    :ivar unread: files in the home directory of the caller, which only a
        service that the caller starts would read
    """

    scheduler: Service | None = None
    compute: Service | None = None
    glance: Service | None = None
    paste: paste.Paste | None = None
    unread: Sequence[str] = ()

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
            _service('nova-scheduler', NOVA_OPTS, nova),
            _service('nova-compute', NOVA_OPTS, nova),
            _service('glance-api', GLANCE_OPTS, glance), glance_paste)
    found = _deployment(_find_nova('nova-scheduler'),
                        _find_nova('nova-compute'), _find_glance())
    unread = _list_home()
    if not list(found):
        places = [*_directories('nova'), _glance_directory()]
        raise problems.BadInput(
            'No configuration of Nova or Glance was found in '
            f'{", ".join(dict.fromkeys(places))}'
            + (f'. Files in your home directory do not count: '
               f'{", ".join(unread)}' if unread else '')
            + '. Name one with --nova-conf or --glance-conf.')
    return dataclasses.replace(found, unread=unread)


def _directories(project: str) -> list[str]:
    """Return where oslo.config looks for a service's files, in its order.

    The home directory is that of the service's user, not of the caller
    (``oslo_config.cfg._get_config_dirs``).
    """
    home = os.path.expanduser(f'~{project}')
    snap = [os.path.join(os.environ[name], 'etc', project)
            for name in ('SNAP_COMMON', 'SNAP') if name in os.environ]
    return [*([os.path.join(home, f'.{project}'), home]
              if os.path.isabs(home) else []),
            os.path.join('/etc', project), '/etc', *snap]


def _find_first(project: str, *names: str) -> list[str]:
    """Find each of these files or directories where a service finds it."""
    found = []
    for name in names:
        for directory in _directories(project):
            path = os.path.join(directory, name)
            if os.path.exists(path):
                found.append(path)
                break
    return found


def _list_home() -> list[str]:
    """Return what oslo.config would read in the caller's home directory."""
    home = os.path.expanduser('~')
    names = {'nova': ('nova', 'nova-scheduler', 'nova-compute'),
             'glance': ('glance', 'glance-api')}
    candidates = [
        os.path.join(directory, name + suffix)
        for project in names if home not in _directories(project)
        for directory in (os.path.join(home, f'.{project}'), home)
        for name in names[project]
        for suffix in ('.conf', '.conf.d')]
    return [path for path in candidates if os.path.exists(path)]


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
    return _service(
        name, NOVA_OPTS, _find_first('nova', 'nova.conf', f'{name}.conf'),
        _find_first('nova', 'nova.conf.d', f'{name}.conf.d'))


def _glance_directory() -> str:
    return os.environ.get('OS_GLANCE_CONFIG_DIR', '/etc/glance').strip()


def _find_glance() -> Service | None:
    """Find what ``glance.common.wsgi_app`` reads, in its order."""
    home = _glance_directory()
    _check_enterable(home)
    return _service('glance-api', GLANCE_OPTS, [
        path for path in (os.path.join(home, 'glance-image-import.conf'),
                          os.path.join(home, 'glance-api.conf'))
        if os.path.exists(path)],
        _find_first('glance', 'glance.conf.d', 'glance-api.conf.d'))


def _find_paste(glance: Service) -> str | None:
    """Find it where Glance does (``_get_deployment_config_file``).

    ``ConfigOpts.find_file`` looks beside the configuration files first.
    """
    path: str | None = glance.get('paste_deploy', 'config_file')
    if path:
        return os.path.abspath(path) if os.path.exists(path) else None
    name = os.path.basename(glance.files[-1]).replace('.conf', '-paste.ini')
    beside = [os.path.join(os.path.dirname(file), name)
              for file in reversed(glance.files)]
    return next((path for path in (*beside, *_find_first('glance', name))
                 if os.path.exists(path)), None)


def _service(name: str, options: Mapping[str | None, list[cfg.Opt]],
             files: Sequence[str],
             directories: Sequence[str] = ()) -> Service | None:
    if not files:
        return None
    conf = cfg.ConfigOpts()
    own_options.register_opts(conf)
    registered = {own_options.GROUP.name: [
        opt for _, opts in own_options.list_opts() for opt in opts]}
    for group, opts in options.items():
        conf.register_opts(opts, group=group)
        registered[group or 'DEFAULT'] = opts
    everything = [*files]
    for directory in directories:
        everything += sorted(glob.glob(os.path.join(directory, '*.conf')))
    contents = []
    for path in everything:
        _check_readable(path)
        contents.append(_read_sections(path))
    try:
        # The environment here is not the service's.
        conf([], project=name.partition('-')[0], prog=name,
             default_config_files=[*files],
             default_config_dirs=[*directories], use_env=False)
    except cfg.Error as exc:
        raise problems.BadInput(problems.shown(exc)) from None
    return Service(name, conf, contents, registered)


class _Sections(cfg.ConfigParser):
    """Keeps the name of each section as it is written."""

    def __init__(self, path: str) -> None:
        self.headers: list[str] = []
        super().__init__(path, {})

    def new_section(self, section: str) -> None:
        self.headers.append(section)
        super().new_section(section)


def _read_sections(path: str) -> File:
    parser = _Sections(path)
    try:
        parser.parse()
    except cfg.ParseError as exc:
        # Without the line: there may be a password in it.
        raise problems.BadInput(
            f'{path} is no configuration file: line {exc.lineno}: '
            f'{exc.msg}') from None
    options: dict[str, dict[str, int]] = {}
    for section, values in parser.sections.items():
        group = options.setdefault(group_name(section), {})
        for name, assigned in values.items():
            group[name] = group.get(name, 0) + len(assigned)
    return File(os.path.abspath(path), parser.headers, options)


def group_name(section: str) -> str:
    """Return the group that oslo.config takes a section for."""
    return section if section == 'DEFAULT' else section.lower()


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
