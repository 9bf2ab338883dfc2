# SPDX-License-Identifier: Apache-2.0
"""Command line interface.

Imports inside functions keep the start of commands short: jsonschema,
oslo.config and openstacksdk take longer to import than most commands run.
"""
