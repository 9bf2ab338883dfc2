# SPDX-License-Identifier: Apache-2.0
"""What has to hold for glance-api."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
import functools

from oslo_utils import strutils

from hyperv_sched.cli.status import environment
from hyperv_sched.cli.status import paste
from hyperv_sched.cli.status import problems
from hyperv_sched.cli.status import sources

#: The name of both entry points.
NAME = 'hyperv_generation'
PLUGIN_GROUP = 'glance.image_import.plugins'
FILTER_GROUP = 'paste.filter_factory'
USE = f'egg:{environment.DISTRIBUTION}#{NAME}'

#: Of the plugins of Glance, the one that changes nothing.
HARMLESS = ('no_op',)

#: The filters that make the request's context
#: (``glance.api.middleware.context``).
_CONTEXT = 'glance.api.middleware.context:'

#: The first that compares an image's content with its disk_format.
COMPARING_GLANCE = 30


def import_plugin(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Glance runs the plugin at imports, on what will be stored."""
    glance = _glance(deployment)
    names = glance.get('image_import_opts', 'image_import_plugins')
    title = glance.title('image_import_opts', 'image_import_plugins')
    if NAME not in names:
        near = problems.misspelt(NAME, names)
        if near is None:
            yield problems.warning(
                f'{title} lacks {NAME}: images are imported without being '
                'judged. Add it, after all others.')
        else:
            yield problems.failure(
                f'{title} has {problems.shown(near)}: Glance logs a warning '
                'and imports images without the plugin. Write '
                f'{NAME}.')
        return
    last = len(names) - names[::-1].index(NAME)
    later = [name for name in names[last:] if name not in HARMLESS]
    if later:
        yield problems.failure(
            f'{title} has {NAME} before {problems.shown(later)}: it refuses '
            'to import images for Hyper-V, because what it judges is not '
            f'what is stored. Put {NAME} last.')
    found = environment.entry_point(PLUGIN_GROUP, NAME)
    if found is None:
        yield problems.failure(
            f'No installed package offers the plugin {NAME} (entry points '
            f'{PLUGIN_GROUP}): Glance logs a warning and imports images '
            'without it. Install hyperv-sched anew.')
    else:
        yield from environment.try_import(
            f'The import plugin {NAME}', 'glance', found.load)


def image_conversion(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Imported images keep a format that Hyper-V runs."""
    glance = _glance(deployment)
    names = glance.get('image_import_opts', 'image_import_plugins')
    if 'image_conversion' in names:
        made = glance.get('image_conversion', 'output_format')
        yield problems.failure(
            f'{glance.title("image_import_opts", "image_import_plugins")} '
            f'has image_conversion, which makes each imported disk {made} '
            f'({glance.title("image_conversion", "output_format")}): no '
            'Hyper-V host runs that. Remove image_conversion. Where other '
            'hypervisors need it, have images for Hyper-V uploaded without '
            'import, which this plugin does not see.')


def api_filter(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """The filter is in the pipeline that requests really pass."""
    flavor = _glance(deployment).get('paste_deploy', 'flavor')
    shown_flavor = problems.shown(flavor or 'not set')
    file = deployment.paste
    if file is None:
        raise problems.Skip('no paste file of Glance was found: name it by '
                            '--glance-paste')
    try:
        pipelines = file.pipelines(flavor)
    except LookupError as exc:
        yield problems.failure(
            f'glance-api does not start with {file.path} and flavor '
            f'{shown_flavor}: {problems.shown(exc.args[0])}.')
        return
    if not pipelines:
        yield problems.warning(
            f'No pipeline of flavor {shown_flavor} in {file.path} '
            'leads to the image API: it could not be judged.')
        return
    ours = [name for name, options in file.filters.items()
            if _is_meant(name, options)]
    where = f'{file.path}, flavor {shown_flavor}'
    for pipeline in pipelines:
        used = [name for name in pipeline if name in ours]
        undefined = problems.misspelt(
            NAME, [name for name in pipeline if name not in file.filters])
        if undefined:
            yield problems.failure(
                f'The pipeline in use ({where}) has '
                f'{problems.shown(undefined)}, and there is no '
                f'[filter:{problems.shown(undefined)}]: glance-api does not '
                f'start. Define it, with "use = {USE}".')
        elif used:
            yield from _judge_place(file, pipeline, used[0], where)
        elif ours:
            yield problems.failure(
                f'[filter:{problems.shown(ours[0])}] is defined, and the '
                f'pipeline in use ({where}) is without it. Put '
                f'{problems.shown(ours[0])} right after the context.')
        else:
            yield problems.warning(
                f'The pipeline in use ({where}) is without the API filter: '
                'images are created, changed and uploaded without being '
                f'judged. Add a section "[filter:{NAME}]" with "use = '
                f'{USE}", and {NAME} to the pipeline right after the '
                'context.')
    for name in ours:
        yield from _judge_filter(file.filters[name],
                                 f'[filter:{problems.shown(name)}] '
                                 f'({file.path})')


def parallel_stores(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """No import goes round Glance's own comparison of content and format."""
    glance = _glance(deployment)
    parallel = glance.get('image_import_opts', 'max_parallel_stores')
    stores = glance.get(None, 'enabled_backends') or {}
    if parallel > 1 and len(stores) > 1:
        yield problems.failure(
            f'{glance.title("image_import_opts", "max_parallel_stores")} is '
            f'{parallel}, with {len(stores)} stores: Glance does not compare '
            'the content with disk_format where it imports to several stores '
            'at a time. Set it to 1.')


def format_match(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Glance compares an upload with its disk_format."""
    glance = _glance(deployment)
    if not glance.get('image_format', 'require_image_format_match'):
        yield problems.failure(
            f'{glance.title("image_format", "require_image_format_match")} '
            'is false: Glance stores a VHD labeled vhdx and the reverse. '
            'Set it to true.')


def disk_formats(
        deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Images for Hyper-V can be created at all."""
    glance = _glance(deployment)
    formats = glance.get('image_format', 'disk_formats')
    title = glance.title('image_format', 'disk_formats')
    if 'vhdx' not in formats:
        yield problems.failure(
            f'{title} is without vhdx: Glance refuses every image that '
            'generation 2 can run. Add vhdx.')
    if 'vhd' not in formats:
        yield problems.warning(
            f'{title} is without vhd: Glance refuses VHD images, which '
            'generation 1 can run. Add vhd.')


def version(deployment: sources.Deployment) -> Iterator[problems.Problem]:
    """Glance is of a release that compares content with disk_format."""
    _glance(deployment)
    installed = environment.version('glance')
    if installed is None:
        raise problems.Skip(
            'Glance is not installed in this Python environment')
    if environment.major(installed) < COMPARING_GLANCE:
        yield problems.warning(
            f'Glance {problems.shown(installed)} does not compare an upload '
            f'with its disk_format; Glance {COMPARING_GLANCE} and newer do. '
            'Until then, only hyperv-sched finds a wrong label.')


def _glance(deployment: sources.Deployment) -> sources.Service:
    if deployment.glance is None:
        raise problems.Skip('no configuration of Glance was found')
    return deployment.glance


def _is_meant(name: str, options: Mapping[str, str]) -> bool:
    """Whether a filter's section is meant to be ours, right or not."""
    return any(problems.misspelt(wanted, (name, *_source(options)))
               for wanted in (NAME, environment.DISTRIBUTION))


def _source(options: Mapping[str, str]) -> list[str]:
    return [options[key] for key in ('use', FILTER_GROUP) if key in options]


def _judge_place(file: paste.Paste, pipeline: Sequence[str], name: str,
                 where: str) -> Iterator[problems.Problem]:
    contexts = [index for index, other in enumerate(pipeline)
                if any(source.startswith(_CONTEXT) for source in _source(
                    file.filters.get(other, {})))]
    if contexts and pipeline.index(name) < contexts[-1]:
        yield problems.failure(
            f'{problems.shown(name)} is before '
            f'{problems.shown(pipeline[contexts[-1]])} in the pipeline in '
            f'use ({where}): it does not know who asks. Put it right '
            'after.')


def _judge_filter(options: Mapping[str, str],
                  title: str) -> Iterator[problems.Problem]:
    load = _loader(options)
    if load is None:
        yield problems.failure(
            f'{title} is not the filter of hyperv-sched: '
            f'{problems.shown(_source(options)) or "nothing"} names it. '
            f'Write "use = {USE}".')
    else:
        yield from environment.try_import(f'The API filter {title}',
                                          'glance', load)
    for name, (is_valid, valid) in _FILTER_OPTIONS.items():
        value = options.get(name)
        if value is not None and not is_valid(value):
            yield problems.failure(
                f'{title} has {name} = {problems.shown(value)}: glance-api '
                f'does not start. Valid values: {valid}.')
    # True is the default: hyperv_sched.glance.api_filter.
    if strutils.bool_from_string(options.get('report_only', 'true')):
        yield problems.warning(
            f'{title} has report_only: what it finds is logged, and the '
            'image taken. Set report_only = false to refuse such images.')


def _is_boolean(value: str) -> bool:
    try:
        strutils.bool_from_string(value, strict=True)
    except ValueError:
        return False
    return True


def _is_positive(value: str) -> bool:
    try:
        return int(value) > 0
    except ValueError:
        return False


#: Options of the filter (``hyperv_sched.glance.api_filter``): whether a
#: value is valid, and what is.
_FILTER_OPTIONS: dict[str, tuple[Callable[[str], bool], str]] = {
    'report_only': (_is_boolean, 'true, false'),
    'max_body': (_is_positive, 'a number of bytes, at least 1'),
    'oversized': (('pass', 'refuse').__contains__, 'pass, refuse'),
    'read_active': (_is_boolean, 'true, false'),
}


def _loader(options: Mapping[str, str]) -> Callable[[], object] | None:
    """How PasteDeploy imports the filter; None for any other filter."""
    if 'use' in options:
        scheme, _, rest = options['use'].partition(':')
        distribution, _, name = rest.partition('#')
        # Names of distributions are compared like that.
        if (scheme, distribution.lower().replace('_', '-'), name) != (
                'egg', environment.DISTRIBUTION, NAME):
            return None
        return functools.partial(environment.load_own, FILTER_GROUP, NAME)
    spec = options.get(FILTER_GROUP, '')
    if not spec.startswith('hyperv_sched.glance.'):
        return None
    return functools.partial(environment.import_factory, spec)
