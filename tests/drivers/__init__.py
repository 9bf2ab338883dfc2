# SPDX-License-Identifier: Apache-2.0
"""The real Hyper-V drivers: as judges of the rules, and enforced.

Apart from the functional tests: no Nova newer than 28 has them.
"""

from tests.drivers import stand_ins

stand_ins.install()

# Before anything else of Nova, as in nova-compute.
import nova.monkey_patch  # noqa: E402, F401
