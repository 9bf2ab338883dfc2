# SPDX-License-Identifier: Apache-2.0

python3 -m venv .venv/hyperv-sched
.venv/hyperv-sched/bin/pip install .
.venv/hyperv-sched/bin/hyperv-sched --version
