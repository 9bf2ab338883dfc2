# SPDX-License-Identifier: Apache-2.0
"""Look for an initrd that its reader fails on.

    python -m tests.fuzz.read_initrd -max_total_time=600 [DIRECTORY]

Reading raises nothing but the error of the reader, and yields a limited number
of files and bytes.
"""

import lzma
import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=['hyperv_sched.disk']):
    from hyperv_sched.disk import initrd

from tests import initrds

_MAX_FILES = 1000
_MAX_BYTES = 1024 * 1024

SEEDS = (
    initrds.initrd('6.1', ('hv_vmbus',), ('hv_storvsc',)),
    lzma.compress(initrds.archive({'a': b'1', 'b': b'12345'})),
    initrds.archive({'a': b'x' * 100}))


def read(data):
    """Read an initrd and check the promises of the reader."""
    size = 0
    try:
        for number, (name, content) in enumerate(initrd.files(
                iter([data[:50], data[50:]]), lambda name: True)):
            size += len(name) + len(content)
            assert number < _MAX_FILES and size <= _MAX_BYTES
    except initrd.UnreadableError:
        return


def main():
    """Run the fuzzer."""
    initrd.MAX_FILES = _MAX_FILES
    initrd.MAX_EXPANDED = initrd.MAX_CONTENT = _MAX_BYTES
    with tempfile.TemporaryDirectory() as directory:
        for number, seed in enumerate(SEEDS):
            pathlib.Path(directory, str(number)).write_bytes(seed)
        atheris.Setup([*sys.argv, directory], read)
        atheris.Fuzz()


if __name__ == '__main__':
    main()
