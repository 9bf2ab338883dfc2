# SPDX-License-Identifier: Apache-2.0
"""Private names of compute-hyperv, and of the driver that Nova 28 has.

Both keep os-win's utilities under the same names. Other drivers have none.
"""

from __future__ import annotations

from typing import Any


def vm_generation(driver: Any, instance: Any) -> int | None:
    """Return the generation of a server's virtual machine.

    :returns: 1 or 2; None where the driver does not know virtual machines,
        or this host has none for the server.
    :raises Exception: what os-win raises where Windows does not answer.
    """
    vmutils = getattr(getattr(driver, '_vmops', None), '_vmutils', None)
    if vmutils is None or not vmutils.vm_exists(instance.name):
        return None
    generation: int = vmutils.get_vm_generation(instance.name)
    return generation
