# SPDX-License-Identifier: Apache-2.0
"""The page of an audit in a real browser."""
