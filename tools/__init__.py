# SPDX-License-Identifier: Apache-2.0
"""What developers run; see the README."""
