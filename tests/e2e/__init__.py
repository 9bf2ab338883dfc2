# SPDX-License-Identifier: Apache-2.0
"""Stories told to a real cloud, which tools/devcloud has brought up."""
