# SPDX-License-Identifier: Apache-2.0
"""The real Hyper-V drivers: as judges of the rules, and enforced.

Apart from the functional tests: no Nova newer than 28 has them.
"""

# Before anything else of Nova, as in nova-compute.
import nova.monkey_patch  # noqa: F401
