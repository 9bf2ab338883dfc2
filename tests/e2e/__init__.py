# SPDX-License-Identifier: Apache-2.0
"""Tests of a real cloud that tools/devcloud has started."""
