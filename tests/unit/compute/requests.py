# SPDX-License-Identifier: Apache-2.0
"""Requests of operations, without a Nova."""

from hyperv_sched import compatibility
from hyperv_sched.compute import checks
from tests import properties

GENERATION_1 = {'hypervisor_type': 'hyperv'}
GENERATION_2 = properties.GENERATION_2
SECURE = {**GENERATION_2, 'os_secure_boot': 'required', 'os_type': 'windows'}
SHIELDED = {**SECURE, 'os_vtpm': 'required', 'img_pdk_reference': 'secret'}
REMOTEFX = {'os:resolution': '1920x1200'}

VHDX = {'format': 'vhdx', 'file_size': 65536}
VHD = {'format': 'vhd', 'file_size': 65536}

_SAME = object()


def unread():
    """Fail a test in which nothing must be read."""
    raise AssertionError('it is read')


def make(document, host=('hyperv', 10000), content=VHDX, server=_SAME,
         **members):
    """Return a request of a server on a host.

    :param host: hypervisor_type and hypervisor_version, or None if neither
        may be read
    :param content: of the image file; an error to raise; None if the file
        must not be read
    :param server: the document of the server's image, by default the same
    """
    def read_content():
        if isinstance(content, Exception):
            raise content
        return content

    return checks.Request(**{
        'document': document,
        'server_document': document if server is _SAME else server,
        'policy': compatibility.Policy(),
        'read_host': unread if host is None else lambda: host,
        'read_content': unread if content is None else read_content,
        **members})
