# SPDX-License-Identifier: Apache-2.0
"""What speed claims rest on; each module is run by one command."""
