# SPDX-License-Identifier: Apache-2.0
"""As if on Windows, as far as that goes elsewhere."""

import os
import subprocess
import sys

#: What others import looks at the system first and is not in question here:
#: it is there already when the rest goes.
_WITHOUT_POSIX = """
import importlib, os, sys
theirs, ours = (names.split(',') for names in sys.argv[1:3])
for name in filter(None, theirs):
    importlib.import_module(name)
for name in ('fcntl', 'resource', 'pwd', 'grp', 'termios', 'pty', 'syslog',
             'posix'):
    sys.modules[name] = None
for name in ('pread', 'preadv', 'pwrite', 'posix_fadvise', 'sendfile', 'fork',
             'getuid', 'geteuid', 'mkfifo', 'sched_getaffinity'):
    if hasattr(os, name):
        delattr(os, name)
for name in ours:
    importlib.import_module(name)
exec(sys.argv[3])
"""


def imports(theirs, ours, script='print("imported")'):
    """Import modules where POSIX is missing, and return what was printed.

    :param theirs: modules that may see all of this system
    :param script: runs after the imports, still without POSIX
    """
    return subprocess.check_output(  # noqa: S603
        [sys.executable, '-W', 'ignore', '-c', _WITHOUT_POSIX,
         ','.join(theirs), ','.join(ours), script], text=True,
        env={**os.environ, 'PYTHONWARNINGS': 'ignore'})
