# SPDX-License-Identifier: Apache-2.0
"""The import plugin: judges the properties and the whole staged file.

Named ``hyperv_generation`` in ``[image_import_opts] image_import_plugins``.
Glance runs it for glance-direct and web-download, and by its source
(``glance/async_/flows/api_image_import.py``) for glance-download; copy-image
and everything that is no import pass it by.
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

from hyperv_sched import conf
from hyperv_sched import disk
from hyperv_sched import document as image_document
from hyperv_sched import rules
from hyperv_sched.glance import verdict
from hyperv_sched.validators import learned

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


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
        super().__init__(name=f'{task_type}-HyperVGeneration-{task_id}')

    def execute(self, file_path: str, **kwargs: Any) -> None:
        """Judge the image; set what it lacks, where that is wanted.

        :raises UploadException: the image cannot run on Hyper-V, or cannot
            be judged. Of all exceptions this is the one whose text Glance
            shows to the user.
        """
        conf.register_opts(CONF)
        try:
            verdict.weights()
            wanted = CONF.hyperv_sched.import_sets_properties
        except (cfg.Error, ValueError) as exc:
            raise exception.UploadException(
                '[hyperv_sched] of glance-api is wrong: '
                + str(exc).rpartition(' is not valid: ')[2]) from exc
        raw = self._document()
        try:
            lacking = _judge(raw, _local(file_path), wanted)
        except exception.UploadException:
            raise
        except Exception as exc:
            # Glance's own words for it are "Internal Error".
            LOG.exception('Image %s', self._image_id)
            raise exception.UploadException(
                f'The image is not judged: {rules.mistake(exc)}') from exc
        if lacking:
            LOG.info('Image %(image)s gets %(properties)s',
                     {'image': self._image_id, 'properties': lacking})
            with self._action_wrapper as action:
                action.set_image_extra_properties(lacking)

    def _document(self) -> dict[str, Any]:
        image = self._image_repo.get(self._image_id)
        return {
            **image.extra_properties, 'id': image.image_id,
            'name': image.name, 'min_disk': image.min_disk,
            'disk_format': image.disk_format,
            'container_format': image.container_format}

    def revert(self, result: Any, file_path: str, **kwargs: Any) -> None:
        """Let the user correct the image and import it again.

        Where another task has failed, or where the download's own revert
        follows, there is nothing to do.
        """
        if (not isinstance(result, failure.Failure)
                or self._import_method != 'glance-direct'):
            return
        with self._action_wrapper as action:
            action.set_image_attribute(status='queued')
            action.remove_importing_stores(self._stores)
            action.add_failed_stores(self._stores)
        try:
            os.unlink(_local(file_path))
        except OSError as exc:
            LOG.warning('Image %(image)s: the staged file stays: %(reason)s',
                        {'image': self._image_id, 'reason': exc})


def _judge(raw: dict[str, Any], path: str,
           wanted: Container[str]) -> dict[str, Any]:
    """Judge an image with what it lacks, and return that.

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
        document = verdict.document(raw)
    except image_document.InvalidDocument as exc:
        raise exception.UploadException(str(exc)) from exc
    lacking = {
        name: value
        for name, value in learned.missing(document, content).items()
        if name in wanted}
    found = verdict.errors(
        {**verdict.document({**raw, **lacking}), 'content': content})
    if found:
        raise exception.UploadException(verdict.words(found))
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
