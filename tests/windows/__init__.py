# SPDX-License-Identifier: Apache-2.0
"""The command on Windows's Python, run from Linux: see tools/windows.py."""
