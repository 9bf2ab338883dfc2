# SPDX-License-Identifier: Apache-2.0
"""``python -m hyperv_sched``, where scripts are not in the PATH."""

import sys

from hyperv_sched.cli import main

sys.exit(main.main())
