# SPDX-License-Identifier: Apache-2.0
"""Checks of glance-api."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools

from hyperv_sched import glance_options
from hyperv_sched.cli.status import configuration
from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import paste
from hyperv_sched.cli.status import results
from hyperv_sched.cli.status.results import format_value
from hyperv_sched.glance_options import NAME

PLUGIN_GROUP = 'glance.image_import.plugins'
FILTER_GROUP = 'paste.filter_factory'
USE = f'egg:{environment.DISTRIBUTION}#{NAME}'

#: Module of the filters that create the context of a request
#: (``glance.api.middleware.context``).
_CONTEXT = 'glance.api.middleware.context:'

#: First release that compares the content of an image with disk_format.
COMPARING_GLANCE = 30


def import_plugin(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Glance runs the plugin at imports, after all others."""
    glance = _glance(deployment)
    names = glance.get('image_import_opts', 'image_import_plugins')
    title = glance.title('image_import_opts', 'image_import_plugins')
    if NAME not in names:
        near = results.find_misspelled(NAME, names)
        if near is None:
            yield results.warning(
                f'{title} lacks {NAME}: images are imported without a '
                'check. Add it after all other plugins.')
        else:
            yield results.failure(
                f'{title} has {format_value(near)}: Glance logs a warning '
                'and imports images without the plugin. Write '
                f'{NAME}.')
        return
    last = len(names) - names[::-1].index(NAME)
    later = [name for name in names[last:]
             if name not in glance_options.HARMLESS_PLUGINS]
    if later:
        yield results.failure(
            f'{title} has {NAME} before {format_value(later)}: it refuses '
            'to import images for Hyper-V, because a later plugin changes '
            f'the content. Put {NAME} last.')
    point = environment.entry_point(PLUGIN_GROUP, NAME)
    if point is None:
        yield results.failure(
            f'No installed package offers the plugin {NAME} (entry points '
            f'{PLUGIN_GROUP}): Glance logs a warning and imports images '
            'without it. Reinstall hyperv-sched.')
    else:
        yield from environment.try_import(
            f'The import plugin {NAME}', 'glance', point.load)


def image_conversion(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that imported images keep a format that Hyper-V supports."""
    glance = _glance(deployment)
    names = glance.get('image_import_opts', 'image_import_plugins')
    if 'image_conversion' in names:
        output_format = glance.get('image_conversion', 'output_format')
        yield results.failure(
            f'{glance.title("image_import_opts", "image_import_plugins")} '
            'has image_conversion, which converts imported disks to '
            f'{output_format} '
            f'({glance.title("image_conversion", "output_format")}): Hyper-V '
            'does not support it. Remove image_conversion. If other '
            'hypervisors need it, upload images for Hyper-V without import, '
            'which does not run plugins.')


def api_filter(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that requests to the Image API pass the API filter."""
    flavor = _glance(deployment).get('paste_deploy', 'flavor')
    shown_flavor = format_value(flavor or 'not set')
    file = deployment.paste
    if file is None:
        raise results.NotApplicableError(
            'no paste file of Glance was found. Name it with --glance-paste')
    try:
        pipelines = file.pipelines(flavor)
    except LookupError as exc:
        yield results.failure(
            f'glance-api does not start with {file.path} and flavor '
            f'{shown_flavor}: {format_value(exc.args[0])}.')
        return
    if not pipelines:
        yield results.warning(
            f'No pipeline of flavor {shown_flavor} in {file.path} leads to '
            'the Image API, and none was checked.')
        return
    own = [name for name, options in file.filters.items()
           if _is_own_filter(name, options)]
    for pipeline in pipelines:
        yield from _check_pipeline(
            file, pipeline, own, f'{file.path}, flavor {shown_flavor}')
    for name in own:
        yield from _check_filter(
            file.filters[name],
            f'[filter:{format_value(name)}] ({file.path})')


def _check_pipeline(file: paste.Paste, pipeline: Sequence[str],
                    own: Sequence[str],
                    where: str) -> Iterator[results.Problem]:
    """Check that a pipeline has the API filter.

    :param own: names of the sections for the API filter
    :param where: file and flavor, for messages
    """
    used = [name for name in pipeline if name in own]
    undefined = results.find_misspelled(
        NAME, [name for name in pipeline if name not in file.filters])
    if undefined:
        name = format_value(undefined)
        yield results.failure(
            f'The pipeline in use ({where}) has {name}, and there is no '
            f'[filter:{name}]: glance-api does not start. Add this section, '
            f'with "use = {USE}".')
    elif used:
        yield from _check_order(file, pipeline, used[0], where)
    elif own:
        name = format_value(own[0])
        yield results.failure(
            f'[filter:{name}] is defined, and the pipeline in use ({where}) '
            f'lacks it. Put {name} right after the context.')
    else:
        yield results.warning(
            f'The pipeline in use ({where}) lacks the API filter: images are '
            'created, changed and uploaded without a check. Add a section '
            f'"[filter:{NAME}]" with "use = {USE}", and add {NAME} to the '
            'pipeline right after the context.')


def parallel_stores(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that every import compares the content with disk_format."""
    glance = _glance(deployment)
    parallel = glance.get('image_import_opts', 'max_parallel_stores')
    stores = glance.get(None, 'enabled_backends') or {}
    if parallel > 1 and len(stores) > 1:
        yield results.failure(
            f'{glance.title("image_import_opts", "max_parallel_stores")} is '
            f'{parallel}, with {len(stores)} stores: Glance does not compare '
            'the content with disk_format if it imports to several stores '
            'at a time. Set it to 1.')


def format_match(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Glance compares uploads with disk_format."""
    glance = _glance(deployment)
    if not glance.get('image_format', 'require_image_format_match'):
        yield results.failure(
            f'{glance.title("image_format", "require_image_format_match")} '
            'is false: Glance stores a VHD as vhdx and a VHDX as vhd. Set '
            'it to true.')


def disk_formats(
        deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that Glance accepts the formats of Hyper-V."""
    glance = _glance(deployment)
    formats = glance.get('image_format', 'disk_formats')
    title = glance.title('image_format', 'disk_formats')
    if 'vhdx' not in formats:
        yield results.failure(
            f'{title} lacks vhdx: Glance refuses all images of generation 2. '
            'Add vhdx.')
    if 'vhd' not in formats:
        yield results.warning(
            f'{title} lacks vhd: Glance refuses VHD images, which generation '
            '1 supports. Add vhd.')


def version(deployment: configuration.Deployment) -> Iterator[results.Problem]:
    """Check that the release of Glance compares content with disk_format."""
    _glance(deployment)
    installed = environment.version('glance')
    if installed is None:
        raise results.NotApplicableError(
            'Glance is not installed in this Python environment')
    if environment.major(installed) < COMPARING_GLANCE:
        yield results.warning(
            f'Glance {format_value(installed)} does not compare an upload '
            f'with its disk_format. Upgrade to Glance {COMPARING_GLANCE} or '
            'newer. Before, only hyperv-sched detects a wrong disk_format.')


def _glance(deployment: configuration.Deployment) -> configuration.Service:
    if deployment.glance is None:
        raise results.NotApplicableError(
            'no configuration of Glance was found')
    return deployment.glance


def _is_own_filter(name: str, options: Mapping[str, str]) -> bool:
    """Return whether a section is for the API filter, even if misspelled."""
    return any(results.find_misspelled(wanted, (name, *_source(options)))
               for wanted in (NAME, environment.DISTRIBUTION))


def _source(options: Mapping[str, str]) -> list[str]:
    return [options[key] for key in ('use', FILTER_GROUP) if key in options]


def _check_order(file: paste.Paste, pipeline: Sequence[str], name: str,
                 where: str) -> Iterator[results.Problem]:
    contexts = [index for index, other in enumerate(pipeline)
                if any(source.startswith(_CONTEXT) for source in _source(
                    file.filters.get(other, {})))]
    if contexts and pipeline.index(name) < contexts[-1]:
        yield results.failure(
            f'{format_value(name)} is before '
            f'{format_value(pipeline[contexts[-1]])} in the pipeline in '
            f'use ({where}): requests have no context yet. Put it right '
            'after.')


def _check_filter(options: Mapping[str, str],
                  title: str) -> Iterator[results.Problem]:
    load = _loader(options)
    if load is None:
        yield results.failure(
            f'{title} does not load the API filter of hyperv-sched, but '
            f'{format_value(_source(options)) or "nothing"}. Write '
            f'"use = {USE}".')
    else:
        yield from environment.try_import(f'The API filter {title}',
                                          'glance', load)
    values = {}
    for name, option in glance_options.FILTER_OPTIONS.items():
        try:
            values[name] = glance_options.read_filter_option(options, name)
        except ValueError:
            yield results.failure(
                f'{title} has {name} = {format_value(options[name])}: '
                f'glance-api does not start. Valid values: {option.valid}.')
    if values.get('report_only'):
        yield results.warning(
            f'{title} has report_only: the API filter logs errors and accepts '
            'the images. Set report_only = false to refuse them.')


def _loader(options: Mapping[str, str]) -> Callable[[], object] | None:
    """Return the import of the API filter; None for other filters."""
    if 'use' in options:
        scheme, _, rest = options['use'].partition(':')
        distribution, _, name = rest.partition('#')
        # PEP 503 normalization of the name.
        if (scheme, distribution.lower().replace('_', '-'), name) != (
                'egg', environment.DISTRIBUTION, NAME):
            return None
        return functools.partial(environment.load_own, FILTER_GROUP, NAME)
    spec = options.get(FILTER_GROUP, '')
    if not spec.startswith('hyperv_sched.glance.'):
        return None
    return functools.partial(environment.import_factory, spec)
