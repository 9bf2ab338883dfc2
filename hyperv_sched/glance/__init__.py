# SPDX-License-Identifier: Apache-2.0
"""glance-api: a wrong image is refused where it enters."""
