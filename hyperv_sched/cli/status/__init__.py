# SPDX-License-Identifier: Apache-2.0
"""Checks of the configuration of Nova and Glance on this host."""
