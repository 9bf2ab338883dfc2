# SPDX-License-Identifier: Apache-2.0
"""Enforcement on the compute host, in front of its driver."""
