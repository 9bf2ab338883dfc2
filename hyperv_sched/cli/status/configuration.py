# SPDX-License-Identifier: Apache-2.0
"""Read the configuration of Nova and Glance without importing them.

Only the options that checks need are registered. Their names, types and
defaults are those of Nova 34.0.0 (``nova/conf/scheduler.py``,
``nova/conf/compute.py``, ``nova/conf/configdrive.py``; the same since 26.0.0,
but for ``image_metadata_prefilter``, which older releases ignore) and of
Glance 33.0.0 (``glance/common/config.py``, ``glance/common/wsgi.py`` and
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
from hyperv_sched.cli.status import results

#: Bytes of a file. The sample configuration of Nova has a tenth of that.
MAX_SIZE = 4 * 2**20

NOVA_OPTS: dict[str | None, list[cfg.Opt]] = {
    None: [
        cfg.StrOpt('compute_driver'),
        cfg.StrOpt('config_drive_format', default='iso9660',
                   choices=['iso9660', 'vfat']),
        cfg.ListOpt('non_inheritable_image_properties',
                    default=['cache_in_nova', 'bittorrent'])],
    'api_database': [cfg.StrOpt('connection', secret=True)],
    # Its name resembles the other one.
    'database': [cfg.StrOpt('connection', secret=True)],
    'scheduler': [cfg.BoolOpt('image_metadata_prefilter', default=False)],
    'workarounds': [cfg.BoolOpt(
        'disable_compute_service_check_for_ffu', default=False)],
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
    """Sections of one configuration file.

    :ivar path: absolute path of the file
    :ivar headers: section names as written, in order
    :ivar options: number of times that each option is set, by group and
        name. oslo.config ignores the case of groups
    """

    path: str
    headers: Sequence[str]
    options: Mapping[str, Mapping[str, int]]


@dataclasses.dataclass(frozen=True)
class Service:
    """Configuration of one service.

    :ivar name: name of the service
    :ivar conf: parsed values of the registered options
    :ivar contents: files, in the order in which the service reads them
    :ivar registered: registered options by group
    """

    name: str
    conf: cfg.ConfigOpts
    contents: Sequence[File]
    registered: Mapping[str, Sequence[cfg.Opt]]

    @property
    def files(self) -> Sequence[str]:
        """Return the paths of the files, in the order of reading."""
        return [file.path for file in self.contents]

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Return the names of the options that are set, by group."""
        groups: dict[str, list[str]] = {}
        for file in self.contents:
            for group, options in file.options.items():
                groups.setdefault(group, []).extend(options)
        return groups

    def get(self, group: str | None, option: str) -> Any:
        """Return the value of an option, or its default.

        :raises results.OptionValueError: the value is invalid
        """
        try:
            return (self.conf if group is None else self.conf[group])[option]
        except (cfg.Error, ValueError) as exc:
            raise results.OptionValueError(
                f'{self.title(group, option)} '
                f'{own_options.reason(exc)}') from None

    def is_set(self, group: str, option: str) -> bool:
        """Return whether a file sets an option."""
        return option in self.groups.get(group, ())

    def title(self, group: str | None, option: str) -> str:
        """Return the name of an option and the file that sets it."""
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
    """Configuration of the services on this host; None for those without.

    :ivar unread: files in the home directory of the caller, which services
        of other users do not read
    :ivar os_cloud: cloud of clouds.yaml that is compared; None for none
    :ivar reads_database: whether the database of Nova is read
    """

    scheduler: Service | None = None
    compute: Service | None = None
    glance: Service | None = None
    paste: paste.Paste | None = None
    unread: Sequence[str] = ()
    os_cloud: str | None = None
    reads_database: bool = False

    def __iter__(self) -> Iterator[Service]:
        return iter([service for service in (
            self.scheduler, self.compute, self.glance) if service])


def read(nova: Sequence[str] = (), glance: Sequence[str] = (),
         glance_paste: str | None = None) -> Deployment:
    """Read the given files, or those that the services find by default.

    :raises results.FileError: a file cannot be read, or none
        exists
    """
    if glance_paste and not glance:
        raise results.FileError(
            '--glance-paste requires --glance-conf, which has the flavor')
    if nova or glance:
        return _deployment(
            _service('nova-scheduler', NOVA_OPTS, nova),
            _service('nova-compute', NOVA_OPTS, nova),
            _service('glance-api', GLANCE_OPTS, glance), glance_paste)
    deployment = _deployment(_find_nova('nova-scheduler'),
                             _find_nova('nova-compute'), _find_glance())
    unread = _list_home()
    if not list(deployment):
        directories = [*_directories('nova'), _glance_directory()]
        raise results.FileError(
            'No configuration of Nova or Glance was found in '
            f'{", ".join(dict.fromkeys(directories))}'
            + (f'. Files in your home directory are not read: '
               f'{", ".join(unread)}' if unread else '')
            + '. Name one with --nova-conf or --glance-conf.')
    return dataclasses.replace(deployment, unread=unread)


def _directories(project: str) -> list[str]:
    """Return the directories that oslo.config searches for a service.

    The home directory is that of the user of the service, not of the caller
    (``oslo_config.cfg._get_config_dirs``).
    """
    home = os.path.expanduser(f'~{project}')
    snap = [os.path.join(os.environ[name], 'etc', project)
            for name in ('SNAP_COMMON', 'SNAP') if name in os.environ]
    return [*([os.path.join(home, f'.{project}'), home]
              if os.path.isabs(home) else []),
            os.path.join('/etc', project), '/etc', *snap]


def _find_first(project: str, *names: str) -> list[str]:
    """Return the first path of each file or directory in the search path."""
    paths = []
    for name in names:
        for directory in _directories(project):
            path = os.path.join(directory, name)
            if os.path.exists(path):
                paths.append(path)
                break
    return paths


def _list_home() -> list[str]:
    """Return files of the services in the home directory of the caller."""
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
    """Read the files that oslo.config finds for a service of Nova."""
    _check_enterable('/etc/nova')
    return _service(
        name, NOVA_OPTS, _find_first('nova', 'nova.conf', f'{name}.conf'),
        _find_first('nova', 'nova.conf.d', f'{name}.conf.d'))


def _glance_directory() -> str:
    return os.environ.get('OS_GLANCE_CONFIG_DIR', '/etc/glance').strip()


def _find_glance() -> Service | None:
    """Read the files that ``glance.common.wsgi_app`` finds."""
    home = _glance_directory()
    _check_enterable(home)
    return _service('glance-api', GLANCE_OPTS, [
        path for path in (os.path.join(home, 'glance-image-import.conf'),
                          os.path.join(home, 'glance-api.conf'))
        if os.path.exists(path)],
        _find_first('glance', 'glance.conf.d', 'glance-api.conf.d'))


def _find_paste(glance: Service) -> str | None:
    """Return the paste file that Glance reads, or None.

    ``_get_deployment_config_file`` of Glance derives its name from that of
    the last file that is not in a directory of configuration files, and calls
    ``ConfigOpts.find_file``, which searches the directories of all of them
    first.
    """
    path: str | None = glance.get('paste_deploy', 'config_file')
    if path:
        return os.path.abspath(path) if os.path.exists(path) else None
    name = os.path.basename(glance.conf.config_file[-1]).replace(
        '.conf', '-paste.ini')
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
        # The service has another environment than this command.
        conf([], project=name.partition('-')[0], prog=name,
             default_config_files=[*files],
             default_config_dirs=[*directories], use_env=False)
    except cfg.Error as exc:
        raise results.FileError(results.format_value(exc)) from None
    return Service(name, conf, contents, registered)


class _Sections(cfg.ConfigParser):
    """Parser that records the name of each section as written."""

    def __init__(self, path: str) -> None:
        self.headers: list[str] = []
        super().__init__(path, {})

    def new_section(self, section: str) -> None:
        """Record the name of a section."""
        self.headers.append(section)
        super().new_section(section)


def _read_sections(path: str) -> File:
    parser = _Sections(path)
    try:
        parser.parse()
    except cfg.ParseError as exc:
        # The line itself may hold a password.
        raise results.FileError(
            f'{path} is not a configuration file: line {exc.lineno}: '
            f'{exc.msg}') from None
    options: dict[str, dict[str, int]] = {}
    for section, values in parser.sections.items():
        group = options.setdefault(group_name(section), {})
        for name, assigned in values.items():
            group[name] = group.get(name, 0) + len(assigned)
    return File(os.path.abspath(path), parser.headers, options)


def group_name(section: str) -> str:
    """Return the group of oslo.config for the name of a section."""
    return section if section == 'DEFAULT' else section.lower()


def _check_enterable(directory: str) -> None:
    if os.path.isdir(directory) and not os.access(directory, os.X_OK):
        raise results.FileError(f'{directory}: Permission denied')


def _check_readable(path: str) -> None:
    """Check that a file is a text file of limited size.

    :raises results.FileError: it is not, or cannot be read
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise results.FileError(f'{path} is not a regular file')
        if status.st_size > MAX_SIZE:
            raise results.FileError(
                f'{path} is larger than {MAX_SIZE // 2**20} MiB, the limit '
                'for configuration files')
        content = pathlib.Path(path).read_text()
    except OSError as exc:
        raise results.FileError(
            f'{path}: {text.file_error(exc, path)}') from None
    except UnicodeDecodeError as exc:
        # Services use the encoding of the locale as well.
        raise results.FileError(
            f'{path} is not a text file in {exc.encoding}, the encoding of '
            'this system') from None
    except ValueError:
        # A path with a NUL raises a ValueError, too.
        raise results.FileError(f'{path} is not a text file') from None
    if '\0' in content:
        raise results.FileError(f'{path} is not a text file')
