# SPDX-License-Identifier: Apache-2.0
"""Read a paste file as glance-api does, without importing its filters."""

from __future__ import annotations

from collections.abc import Mapping
import configparser
import dataclasses
import os
import re

from hyperv_sched.cli.status import results

#: Application that glance-api loads, followed by ``-FLAVOR``
#: (``glance.common.config.load_paste_app``).
APPLICATION = 'glance-api'

#: Limit on applications followed, against cycles.
MAX_STEPS = 1000

#: Sections that define an application (PasteDeploy).
_APP = re.compile(r'(app|application|composite|composit|pipeline):(.*)')
_FILTER = re.compile(r'filter:(.*)')

#: Application of the Image API, in every release since Newton.
_IMAGE_API = 'glance.api.v2.router'

#: Composite that selects its pipeline by flavor, in Glance 30 and newer. In
#: older releases each flavor is a section.
_BY_FLAVOR = 'glance.api:pipeline_factory'


@dataclasses.dataclass(frozen=True)
class Paste:
    """Applications and filters of a paste file.

    :ivar path: path of the file
    :ivar apps: options of each application by name, including pipelines
    :ivar filters: options of each filter by name
    """

    path: str
    apps: Mapping[str, Mapping[str, str]]
    filters: Mapping[str, Mapping[str, str]]

    def pipelines(self, flavor: str | None) -> list[tuple[str, ...]]:
        """Return the filters of each pipeline that ends at the Image API.

        Most files have one such pipeline for each flavor.

        :raises LookupError: glance-api does not start with this file
        """
        pipelines: list[tuple[str, ...]] = []
        name = f'{APPLICATION}-{flavor}' if flavor else APPLICATION
        pending: list[tuple[str, tuple[str, ...]]] = [(name, ())]
        for _ in range(MAX_STEPS):
            if not pending:
                return pipelines
            name, passed = pending.pop()
            options = self.apps.get(name)
            if options is None:
                raise LookupError(f'there is no application {name}')
            pipeline = _pipeline(name, options, flavor)
            if pipeline:
                pending.append((pipeline[-1], (*passed, *pipeline[:-1])))
            elif options.get('paste.app_factory', '').startswith(_IMAGE_API):
                pipelines.append(passed)
            else:
                # A composite: one application for each path.
                pending += {(app, passed) for path, app in options.items()
                            if path.startswith('/')}
        raise LookupError('its applications contain each other')


def _pipeline(name: str, options: Mapping[str, str],
              flavor: str | None) -> list[str]:
    """Return filters and application of a pipeline; empty for others."""
    if 'pipeline' in options:
        return options['pipeline'].split()
    if options.get('paste.composite_factory') != _BY_FLAVOR:
        return []
    try:
        return options[flavor or 'default'].split()
    except KeyError:
        raise LookupError(f'application {name} has no pipeline '
                          f'{flavor or "default"}') from None


def read(path: str) -> Paste:
    """Read a paste file.

    :raises results.FileError: it is not a paste file
    """
    # PasteDeploy sets these defaults, and names are case sensitive.
    parser = configparser.ConfigParser(defaults={
        'here': os.path.dirname(os.path.abspath(path)),
        '__file__': os.path.abspath(path)})
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
    except configparser.Error as exc:
        raise results.FileError(
            f'{path} is not a paste file: {exc.message.splitlines()[0]}'
        ) from None
    except UnicodeDecodeError:
        raise results.FileError(f'{path} is not UTF-8 text') from None
    apps: dict[str, Mapping[str, str]] = {}
    filters: dict[str, Mapping[str, str]] = {}
    for section in parser.sections():
        app, filter_ = _APP.fullmatch(section), _FILTER.fullmatch(section)
        if app:
            apps[app[2].strip()] = _options(parser, section)
        elif filter_:
            filters[filter_[1].strip()] = _options(parser, section)
    if not apps:
        raise results.FileError(
            f'{path} is not a paste file: it defines no application')
    return Paste(path, apps, filters)


def _options(parser: configparser.ConfigParser,
             section: str) -> dict[str, str]:
    options = {}
    for key in parser.options(section):
        # PasteDeploy does not pass [DEFAULT] to a factory as its options.
        if key in parser.defaults():
            continue
        try:
            options[key] = parser.get(section, key)
        except configparser.InterpolationError:
            options[key] = parser.get(section, key, raw=True)
    return options
