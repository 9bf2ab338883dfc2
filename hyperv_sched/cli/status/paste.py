# SPDX-License-Identifier: Apache-2.0
"""Read a paste file as glance-api does, and import nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
import configparser
import dataclasses
import os
import re

from hyperv_sched.cli.status import problems

#: The application that glance-api loads; ``-FLAVOR`` follows
#: (``glance.common.config.load_paste_app``).
APPLICATION = 'glance-api'

#: Applications that are looked at before a file counts as a maze.
MAX_STEPS = 1000

#: Sections that an application may come from (PasteDeploy).
_APP = re.compile(r'(app|application|composite|composit|pipeline):(.*)')
_FILTER = re.compile(r'filter:(.*)')

#: The image API behind all filters, in every release since Newton.
_IMAGE_API = 'glance.api.v2.router'

#: A composite that chooses its pipeline by flavor, in Glance 30 and newer;
#: before, each flavor was a section of its own.
_BY_FLAVOR = 'glance.api:pipeline_factory'


@dataclasses.dataclass(frozen=True)
class Paste:
    """What a paste file defines.

    :ivar path: the file
    :ivar apps: options of each application, by name; a pipeline is one
    :ivar filters: options of each filter, by name
    """

    path: str
    apps: Mapping[str, Mapping[str, str]]
    filters: Mapping[str, Mapping[str, str]]

    def pipelines(self, flavor: str | None) -> list[tuple[str, ...]]:
        """Name the filters that a request to the image API passes, in order.

        One list for each way to the API; normally there is one.

        :raises LookupError: glance-api would not start
        """
        found: list[tuple[str, ...]] = []
        name = f'{APPLICATION}-{flavor}' if flavor else APPLICATION
        ahead: list[tuple[str, tuple[str, ...]]] = [(name, ())]
        for _ in range(MAX_STEPS):
            if not ahead:
                return found
            name, passed = ahead.pop()
            options = self.apps.get(name)
            if options is None:
                raise LookupError(f'there is no application {name}')
            pipeline = _pipeline(name, options, flavor)
            if pipeline:
                ahead.append((pipeline[-1], (*passed, *pipeline[:-1])))
            elif options.get('paste.app_factory', '').startswith(_IMAGE_API):
                found.append(passed)
            else:
                # A composite: the application below each path.
                ahead += {(app, passed) for path, app in options.items()
                          if path.startswith('/')}
        raise LookupError('its applications contain each other')


def _pipeline(name: str, options: Mapping[str, str],
              flavor: str | None) -> list[str]:
    """Filters and the application behind them; empty for any other."""
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

    :raises problems.BadInput: it is none
    """
    # As PasteDeploy does it; names are case sensitive there.
    parser = configparser.ConfigParser(defaults={
        'here': os.path.dirname(os.path.abspath(path)),
        '__file__': os.path.abspath(path)})
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        with open(path, encoding='utf-8') as file:
            parser.read_file(file)
    except configparser.Error as exc:
        raise problems.BadInput(
            f'{path} is no paste file: {exc.message.splitlines()[0]}'
        ) from None
    apps: dict[str, Mapping[str, str]] = {}
    filters: dict[str, Mapping[str, str]] = {}
    for section in parser.sections():
        app, filter_ = _APP.fullmatch(section), _FILTER.fullmatch(section)
        if app:
            apps[app[2].strip()] = _options(parser, section)
        elif filter_:
            filters[filter_[1].strip()] = _options(parser, section)
    if not apps:
        raise problems.BadInput(
            f'{path} is no paste file: it defines no application')
    return Paste(path, apps, filters)


def _options(parser: configparser.ConfigParser,
             section: str) -> dict[str, str]:
    options = {}
    for key in parser.options(section):
        # [DEFAULT] is not handed to a factory as its own.
        if key in parser.defaults():
            continue
        try:
            options[key] = parser.get(section, key)
        except configparser.InterpolationError:
            options[key] = parser.get(section, key, raw=True)
    return options
