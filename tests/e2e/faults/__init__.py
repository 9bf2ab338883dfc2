# SPDX-License-Identifier: Apache-2.0
"""Tests that take minutes: failing services, crowds, hostile images."""
