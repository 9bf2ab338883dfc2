# SPDX-License-Identifier: Apache-2.0
"""The hyperv-sched-status command: is this host configured to enforce?"""
