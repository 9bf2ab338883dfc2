# SPDX-License-Identifier: Apache-2.0
"""The import plugin: validates the properties and the staged file.

The plugin has the name ``hyperv_generation`` in ``[image_import_opts]
image_import_plugins`` and follows all other plugins. Glance runs it for
glance-direct, web-download and glance-download, but not for copy-image and
uploads (``glance/async_/flows/api_image_import.py``).
"""

from __future__ import annotations

from collections.abc import Collection
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
from hyperv_sched import glance_options
from hyperv_sched import inferred
from hyperv_sched import metrics
from hyperv_sched import rules
from hyperv_sched import validators
from hyperv_sched.disk import secure_boot
from hyperv_sched.glance import verdict
from hyperv_sched.text import internal_error

CONF = cfg.CONF
LOG = logging.getLogger(__name__)


class _AcceptSameStatus:
    """Mixin that lets an import action set the status that the image has.

    The reverts of image_conversion and of the downloads each set ``queued``.
    Glance refuses the second one: the task ends in "Internal Error", and the
    image stays locked. No task of this plugin can run between the two reverts
    to set another status, so that the wrapper of all tasks accepts it.
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


class ValidateImage(task.Task):
    """Task that refuses an image that does not run on Hyper-V."""

    def __init__(self, task_id: str, task_type: str, image_repo: Any,
                 image_id: str, action_wrapper: Any, stores: list[str],
                 import_method: str) -> None:
        self._image_repo = image_repo
        self._image_id = image_id
        self._action_wrapper = action_wrapper
        self._stores = stores
        self._import_method = import_method
        # Formats before any plugin runs.
        image = image_repo.get(image_id)
        self._formats = {'disk_format': image.disk_format,
                         'container_format': image.container_format}
        super().__init__(name=f'{task_type}-HyperVGeneration-{task_id}')

    def execute(self, file_path: str, **kwargs: Any) -> None:
        """Validate the image and set inferred properties.

        :raises UploadException: the image does not run on Hyper-V, or cannot
            be validated. Glance shows the text of no other exception to the
            user.
        """
        try:
            overrides = verdict.severity_overrides()
            allowed, years = conf.read(
                CONF, 'import_sets_properties', 'secure_boot_certificates')
        except conf.InvalidOptionError as exc:
            # Users do not need the path of the file.
            raise exception.UploadException(
                'The configuration of glance-api is invalid: [hyperv_sched] '
                + str(exc).rpartition(' is not valid: ')[2]) from exc
        try:
            readable = record = self._record()
            if verdict.has_property_protection():
                with self._action_wrapper as action:
                    record = {**readable, **action.image_extra_properties}
            _check_order(record)
            inferred_properties = _validate(
                record, readable, _to_path(file_path), allowed, years,
                overrides)
        except exception.UploadException:
            raise
        except Exception as exc:
            # Glance would report "Internal Error".
            LOG.exception('Image %s', self._image_id)
            raise exception.UploadException(
                f'The image is not validated: {internal_error(exc)}') from exc
        if inferred_properties:
            LOG.info('Set properties of image %(image)s: %(properties)s',
                     {'image': self._image_id,
                      'properties': inferred_properties})
            with self._action_wrapper as action:
                action.set_image_extra_properties(inferred_properties)

    def _record(self) -> dict[str, Any]:
        image = self._image_repo.get(self._image_id)
        return {
            **image.extra_properties, 'id': image.image_id,
            'name': image.name, 'min_disk': image.min_disk,
            'disk_format': image.disk_format,
            'container_format': image.container_format}

    def revert(self, result: Any, file_path: str, **kwargs: Any) -> None:
        """Let the user correct the image and import it again.

        If another task failed, or the revert of a download follows, only the
        other reverts have to succeed.
        """
        # The reverts of earlier tasks use the same instance, and Python looks
        # up __enter__ in its class.
        self._action_wrapper.__class__ = type(
            'LenientWrapper',
            (_AcceptSameStatus, type(self._action_wrapper)), {})
        if not isinstance(result, failure.Failure):
            return
        queue = self._import_method == 'glance-direct'
        with self._action_wrapper as action:
            # image_conversion does not restore the formats.
            action.set_image_attribute(**self._formats)
            if queue:
                action.set_image_attribute(status='queued')
                action.remove_importing_stores(self._stores)
                action.add_failed_stores(self._stores)
        if not queue:
            return
        try:
            os.unlink(_to_path(file_path))
        except OSError as exc:
            LOG.warning('Image %(image)s: the staged file is not deleted: '
                        '%(reason)s',
                        {'image': self._image_id, 'reason': exc})


def _check_order(record: dict[str, Any]) -> None:
    """Refuse an image for Hyper-V if a later plugin changes it.

    The changed image would be stored without validation: image_conversion
    converts disks to raw, and keeps hw_machine_type.

    :raises UploadException: a plugin that changes images follows this one.
    """
    plugins = CONF.image_import_opts.image_import_plugins
    if glance_options.NAME not in plugins:
        return
    last = len(plugins) - plugins[::-1].index(glance_options.NAME)
    later = [name for name in plugins[last:]
             if name not in glance_options.HARMLESS_PLUGINS]
    injected: dict[str, Any] = {}
    if 'inject_image_metadata' in later:
        injected = CONF.inject_metadata_properties.inject
    if later and any(
            validators.concerns_hyperv(verdict.to_document(stored))
            for stored in (record, {**record, **injected})):
        raise exception.UploadException(
            f'The image is not validated: {", ".join(later)} would change it '
            'afterwards. Ask an administrator of Glance to put '
            f'{glance_options.NAME} last in [image_import_opts] '
            'image_import_plugins')


def _validate(record: dict[str, Any], readable: dict[str, Any], path: str,
              allowed: Container[str], years: Collection[str],
              overrides: verdict.SeverityOverrides) -> dict[str, Any]:
    """Validate an image and return its inferred properties.

    :param record: record of the image
    :param readable: the part of the record that its owner can read
    :param allowed: names of properties that may be set
    :param years: those of the certificates that hosts have for Secure Boot
    :raises UploadException: see :meth:`ValidateImage.execute`.
    """
    try:
        policy = secure_boot.Policy.of_years(years) if (
            image_document.requires_secure_boot(record)) else None
        content = disk.inspect(path, policy).as_dict()
    except OSError as exc:
        raise exception.UploadException(
            'The staged file cannot be read: '
            f'{exc.strerror or exc}') from exc
    try:
        document = verdict.to_document(record)
    except image_document.InvalidDocumentError as exc:
        raise exception.UploadException(str(exc)) from exc
    missing = {
        name: value for name, value
        in inferred.missing_properties(document, content).items()
        if name in allowed}

    def validate(raw: dict[str, Any]) -> list[rules.Finding]:
        completed = verdict.to_document({**raw, **missing})
        return verdict.blocking_findings(
            image_document.extend(completed, content=content), overrides)

    findings = verdict.validate_readable(validate, record, readable)
    if findings:
        metrics.count_refusal('image_import', findings)
        reason = verdict.format_reason(findings)
        if 'image_conversion' in CONF.image_import_opts.image_import_plugins:
            reason += (
                '. image_conversion of this Glance converts imported files '
                f'to {CONF.image_conversion.output_format}. Upload the image '
                'without import')
        raise exception.UploadException(reason)
    return missing


def _to_path(file_uri: str) -> str:
    return urllib.request.url2pathname(urllib.parse.urlparse(file_uri).path)


def get_flow(**kwargs: Any) -> linear_flow.Flow:
    """Return the tasks of the plugin; called by Glance."""
    return linear_flow.Flow(kwargs['task_type']).add(ValidateImage(
        kwargs['task_id'], kwargs['task_type'], kwargs['image_repo'],
        kwargs['image_id'], kwargs['action_wrapper'],
        kwargs.get('backend', [None]),
        kwargs['import_req']['method']['name']))
