# SPDX-License-Identifier: Apache-2.0
"""Install what a command in tools/ needs on a machine that has Python."""
