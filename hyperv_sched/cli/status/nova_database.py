# SPDX-License-Identifier: Apache-2.0
"""Versions of the nova-compute services, read as the services of Nova do."""

from __future__ import annotations

from nova import config
from nova import context as nova_context
from nova import objects
from nova.conf import CONF
from nova.db.api import api as api_db
from nova.db.main import api as main_db
from nova.objects import service as nova_service

from hyperv_sched.cli.status import configuration


def read(service: configuration.Service) -> tuple[int, int, int]:
    """Read the versions of the nova-computes in all cells.

    :returns: the number of nova-computes that are older than this Nova
        supports, their whole number, and the oldest supported version
    :raises Exception: any exception of the database or of Nova
    """
    config.parse_args(['nova', *(
        word for file in service.files
        for word in ('--config-file', file))], default_config_files=[],
        configure_db=False)
    for group in ('api_database', 'database'):
        # A database that is down is a result, too.
        CONF.set_override('max_retries', 0, group)
    main_db.configure(CONF)
    api_db.configure(CONF)
    objects.register_all()
    supported = nova_service.SERVICE_VERSION_ALIASES[
        nova_service.OLDEST_SUPPORTED_SERVICE_VERSION]
    context = nova_context.get_admin_context()
    versions = []
    for cell in objects.CellMappingList.get_all(context):
        with nova_context.target_cell(context, cell) as target:
            versions += [found.version for found
                         in objects.ServiceList.get_by_binary(
                             target, 'nova-compute', include_disabled=True)]
    return (sum(version < supported for version in versions), len(versions),
            supported)
