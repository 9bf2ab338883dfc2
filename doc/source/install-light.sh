# SPDX-License-Identifier: Apache-2.0

python3 -m venv .venv/hyperv-sched
.venv/hyperv-sched/bin/pip install cliff jsonschema packaging PyYAML
.venv/hyperv-sched/bin/pip install --no-deps .
