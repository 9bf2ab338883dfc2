# SPDX-License-Identifier: Apache-2.0
"""Modules in the place of what wine lacks of Windows, or Windows of POSIX."""

import collections
import ctypes
import os
import platform
import sys
import types
from unittest import mock


def install():
    """Let os-win and the fixtures of Nova's tests be imported on Windows.

    wine has no library of WMI, and few functions of clusters. Nova's fixtures
    import its driver for libvirt, which needs modules of POSIX.
    """
    if os.name != 'nt':
        return
    wmi = types.ModuleType('wmi')
    wmi.x_wmi = type('x_wmi', (Exception,), {})
    wmi.x_wmi_timed_out = type('x_wmi_timed_out', (wmi.x_wmi,), {})
    # os-win reads the version when it is imported.
    wmi.WMI = mock.Mock()
    wmi.WMI.return_value.Win32_OperatingSystem.return_value = [
        mock.Mock(Version='10.0.20348')]
    sys.modules['wmi'] = wmi
    for name in ('grp', 'pwd'):
        sys.modules[name] = types.ModuleType(name)
    names = collections.namedtuple(
        'uname_result', 'sysname nodename release version machine')
    # platform itself would call it.
    uname = names(*platform.uname()[:5])
    os.uname = lambda: uname
    for name in ('clusapi', 'iscsidsc', 'virtdisk'):
        setattr(ctypes.windll, name, mock.Mock())
    load = ctypes.cdll.LoadLibrary
    ctypes.cdll.LoadLibrary = lambda name: (
        mock.Mock() if name == 'hbaapi.dll' else load(name))
