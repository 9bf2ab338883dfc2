# SPDX-License-Identifier: Apache-2.0
"""The import plugin: judges the properties and the whole staged file.

Named ``hyperv_generation`` in ``[image_import_opts] image_import_plugins``,
after all other plugins. Glance runs it for glance-direct and web-download,
and by its source (``glance/async_/flows/api_image_import.py``) for
glance-download, but not for copy-image and whatever is no import.
"""

from __future__ import annotations

from collections.abc import Container
import os
from typing import Any
import urllib.parse
import urllib.request

from glance.common import exception
from oslo_config import cfg
from oslo_log import log as logging
from taskflow import task
from taskflow.patterns import linear_flow
from taskflow.types import failure

from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import inferred
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.glance import verdict
from hyperv_sched.text import internal_error

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


#: The name of this plugin.
_NAME = 'hyperv_generation'

#: Of the plugins of Glance, the one that changes nothing.
_HARMLESS = ('no_op',)


class _AcceptSameStatus:
    """Let a wrapper of import actions accept the status that an image has.

    The reverts of image_conversion and of the downloads each set ``queued``.
    Glance refuses the second one: the task ends in "Internal Error", and the
    image stays locked. No task of this plugin can run between the two reverts
    to set another status, so the wrapper that all tasks share accepts it.
    """

    def __enter__(self) -> Any:
        action = super().__enter__()  # type: ignore[misc]
        set_attributes = action.set_image_attribute

        def set_image_attribute(**attributes: Any) -> None:
            if attributes.get('status') == action.image_status:
                del attributes['status']
            set_attributes(**attributes)

        action.set_image_attribute = set_image_attribute
        return action


class JudgeImage(task.Task):
    """Refuse an image that Hyper-V would not run."""

    def __init__(self, task_id: str, task_type: str, image_repo: Any,
                 image_id: str, action_wrapper: Any, stores: list[str],
                 import_method: str) -> None:
        self._image_repo = image_repo
        self._image_id = image_id
        self._action_wrapper = action_wrapper
        self._stores = stores
        self._import_method = import_method
        # Before any plugin runs.
        image = image_repo.get(image_id)
        self._formats = {'disk_format': image.disk_format,
                         'container_format': image.container_format}
        super().__init__(name=f'{task_type}-HyperVGeneration-{task_id}')

    def execute(self, file_path: str, **kwargs: Any) -> None:
        """Judge the image; set what it lacks, where that is wanted.

        :raises UploadException: the image cannot run on Hyper-V, or cannot
            be judged. Of all exceptions this is the one whose text Glance
            shows to the user.
        """
        try:
            verdict.weights()
            wanted = CONF.hyperv_sched.import_sets_properties
        except (cfg.Error, ValueError) as exc:
            raise exception.UploadException(
                '[hyperv_sched] of glance-api is wrong: '
                + str(exc).rpartition(' is not valid: ')[2]) from exc
        try:
            readable = whole = self._record()
            if verdict.protected():
                with self._action_wrapper as action:
                    whole = {**readable, **action.image_extra_properties}
            _check_order(whole)
            lacking = _judge(whole, readable, _local(file_path), wanted)
        except exception.UploadException:
            raise
        except Exception as exc:
            # Glance's own words for it are "Internal Error".
            LOG.exception('Image %s', self._image_id)
            raise exception.UploadException(
                f'The image is not judged: {internal_error(exc)}') from exc
        if lacking:
            LOG.info('Image %(image)s gets %(properties)s',
                     {'image': self._image_id, 'properties': lacking})
            with self._action_wrapper as action:
                action.set_image_extra_properties(lacking)

    def _record(self) -> dict[str, Any]:
        image = self._image_repo.get(self._image_id)
        return {
            **image.extra_properties, 'id': image.image_id,
            'name': image.name, 'min_disk': image.min_disk,
            'disk_format': image.disk_format,
            'container_format': image.container_format}

    def revert(self, result: Any, file_path: str, **kwargs: Any) -> None:
        """Let the user correct the image and import it again.

        After another task has failed, and where the revert of a download
        follows, only that revert has to succeed.
        """
        # Glance passes one instance to all tasks, and Python looks up
        # __enter__ in the class. The reverts of earlier tasks follow.
        self._action_wrapper.__class__ = type(
            'LenientWrapper',
            (_AcceptSameStatus, type(self._action_wrapper)), {})
        if not isinstance(result, failure.Failure):
            return
        queue = self._import_method == 'glance-direct'
        with self._action_wrapper as action:
            # image_conversion leaves its own.
            action.set_image_attribute(**self._formats)
            if queue:
                action.set_image_attribute(status='queued')
                action.remove_importing_stores(self._stores)
                action.add_failed_stores(self._stores)
        if not queue:
            return
        try:
            os.unlink(_local(file_path))
        except OSError as exc:
            LOG.warning('Image %(image)s: the staged file stays: %(reason)s',
                        {'image': self._image_id, 'reason': exc})


def _check_order(raw: dict[str, Any]) -> None:
    """Refuse an image that other plugins are going to change.

    What they make of it is stored and nobody judges it: image_conversion
    makes every disk raw and leaves the tag of generation 2.

    :raises UploadException: there is a plugin after this one.
    """
    plugins = CONF.image_import_opts.image_import_plugins
    if _NAME not in plugins:
        return
    last = len(plugins) - plugins[::-1].index(_NAME)
    later = [name for name in plugins[last:] if name not in _HARMLESS]
    injected: dict[str, Any] = {}
    if 'inject_image_metadata' in later:
        injected = CONF.inject_metadata_properties.inject
    if later and any(
            validators.concerns_hyperv(verdict.document(record))
            for record in (raw, {**raw, **injected})):
        raise exception.UploadException(
            f'The image is not judged: {", ".join(later)} would change it '
            f'afterwards. Ask an administrator of Glance to put {_NAME} '
            'last in [image_import_opts] image_import_plugins')


def _judge(whole: dict[str, Any], readable: dict[str, Any], path: str,
           wanted: Container[str]) -> dict[str, Any]:
    """Judge an image with the properties it lacks, and return these.

    :param whole: the record of the image
    :param readable: that part of it that its owner can read
    :param wanted: the properties that may be set
    :raises UploadException: see :meth:`JudgeImage.execute`.
    """
    try:
        content = disk.inspect(path).as_dict()
    except OSError as exc:
        raise exception.UploadException(
            'The staged file cannot be read: '
            f'{exc.strerror or exc}') from exc
    try:
        document = verdict.document(whole)
    except image_document.InvalidDocumentError as exc:
        raise exception.UploadException(str(exc)) from exc
    missing = inferred.missing_properties(document, content)
    lacking = {name: value for name, value in missing.items()
               if name in wanted}

    def judge(raw: dict[str, Any]) -> list[rules.Finding]:
        return verdict.errors(
            {**verdict.document({**raw, **lacking}), 'content': content})

    found = verdict.judge_readable(judge, whole, readable)
    if found:
        reason = verdict.words(found)
        if 'image_conversion' in CONF.image_import_opts.image_import_plugins:
            reason += (
                '. image_conversion of this Glance makes each imported file '
                f'{CONF.image_conversion.output_format}: upload the image '
                'without import')
        raise exception.UploadException(reason)
    return lacking


def _local(file_uri: str) -> str:
    return urllib.request.url2pathname(urllib.parse.urlparse(file_uri).path)


def get_flow(**kwargs: Any) -> linear_flow.Flow:
    """What Glance calls to get the plugin's tasks."""
    return linear_flow.Flow(kwargs['task_type']).add(JudgeImage(
        kwargs['task_id'], kwargs['task_type'], kwargs['image_repo'],
        kwargs['image_id'], kwargs['action_wrapper'],
        kwargs.get('backend', [None]),
        kwargs['import_req']['method']['name']))
