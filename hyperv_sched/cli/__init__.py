# SPDX-License-Identifier: Apache-2.0
"""The commands. Each imports what it needs only when it runs."""
