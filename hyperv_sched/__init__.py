# SPDX-License-Identifier: Apache-2.0
"""Hyper-V virtual machine generations in OpenStack, under one set of rules."""
