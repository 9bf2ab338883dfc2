# SPDX-License-Identifier: Apache-2.0
"""What takes minutes: services that fail, crowds, what is meant ill."""
