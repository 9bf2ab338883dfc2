# SPDX-License-Identifier: Apache-2.0

pipx install .
~/.local/bin/hyperv-sched --version
