# SPDX-License-Identifier: Apache-2.0
"""Command line interface. Modules are imported only by the commands in use."""
