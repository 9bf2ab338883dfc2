# SPDX-License-Identifier: Apache-2.0
"""Adapters for glance-api: import plugin and API filter."""
