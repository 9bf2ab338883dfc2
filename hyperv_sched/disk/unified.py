# SPDX-License-Identifier: Apache-2.0
"""Whether the Linux of a unified kernel image (UAPI.5) finds its disk.

The image is a program of UEFI whose sections are the kernel, its version and
the initrd. Linux reads the disks of a generation 2 VM with hv_storvsc, which
needs hv_vmbus: each is a part of the kernel or a file of the initrd. A list
of the parts of the kernel, modules.builtin, is in the initrd, too (Linux,
``kbuild/kbuild.rst``).
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
import re

from hyperv_sched.disk import initrd
from hyperv_sched.disk import inspection
from hyperv_sched.disk import pe
from hyperv_sched.disk import uefi
from hyperv_sched.disk.defects import Defect

DRIVERS = ('hv_vmbus', 'hv_storvsc')

#: Bytes of an initrd that are read. Those with all drivers of a distribution
#: have 100 MiB at most.
MAX_INITRD = 256 * 1024 * 1024

_KERNEL, _VERSION, _INITRD = b'.linux', b'.uname', b'.initrd'
_MAX_VERSION = 256
_CHUNK = 256 * 1024

_MODULES = '/lib/modules/'
_LIST = 'modules.builtin'
#: A module, which may be compressed.
_MODULE = re.compile(rf'({"|".join(DRIVERS)})\.ko(?:\.\w+)?')

#: Where a driver is.
BUILT_IN, IN_INITRD, MISSING = 'built in', 'initrd', 'missing'


def inspect(loaded: Sequence[uefi.LoadedImage],
            result: inspection.Inspection,
            allow: Callable[[int], None]) -> None:
    """Add where the drivers for Hyper-V are, if that is certain.

    It takes a second for an initrd of 100 MiB.

    :param loaded: the programs by which UEFI boots the disk
    :param allow: adds bytes to the budget of the inspection
    """
    for image in loaded:
        contents = image.program.contents
        if contents is None or not image.started_by or (
                contents.section(_KERNEL, 0) is None):
            continue
        found = _find(contents, allow)
        if found is None:
            continue
        result.hyperv_drivers = found
        missing = [name for name, place in found.items() if place == MISSING]
        if missing:
            result.add_defect(
                Defect.HYPERV_DRIVERS_MISSING,
                f'{image.path} has no {" and no ".join(missing)}')


def _find(contents: pe.Contents,
          allow: Callable[[int], None]) -> dict[str, str] | None:
    """Return where each driver is; None if that is not certain."""
    size = contents.section_size(_INITRD)
    if not size or size > MAX_INITRD:
        return None
    allow(size)
    version = (contents.section(_VERSION, _MAX_VERSION) or b'').strip(
        b'\0\n').decode('utf-8', 'replace')
    found: dict[tuple[str, str], str] = {}
    listed: set[str] = set()
    try:
        for name, content in initrd.files(_chunks(contents, size), _is_list):
            kernel, path = _split(name)
            if path == _LIST:
                listed.add(kernel)
                for line in content.decode('utf-8', 'replace').split():
                    driver = _driver(line)
                    if driver:
                        found[kernel, driver] = BUILT_IN
            elif driver := _driver(path):
                found[kernel, driver] = IN_INITRD
    except initrd.UnreadableError:
        return None
    if not version and len(listed) == 1:
        version, = listed
    if version not in listed:
        return None
    return {name: found.get((version, name), MISSING) for name in DRIVERS}


def _split(name: str) -> tuple[str, str]:
    """Return the kernel that a file is for, and the path among its modules.

    :returns: empty strings for a file that is not for a kernel
    """
    kernel, _, path = f'/{name}'.partition(_MODULES)[2].partition('/')
    return kernel, path


def _is_list(name: str) -> bool:
    return _split(name)[1] == _LIST


def _driver(path: str) -> str | None:
    """Return the driver that a module has; None for another file."""
    match = _MODULE.fullmatch(path.rpartition('/')[2])
    return match[1] if match else None


def _chunks(contents: pe.Contents, size: int) -> Iterator[bytes]:
    for start in range(0, size, _CHUNK):
        yield contents.section(_INITRD, _CHUNK, start) or b''
