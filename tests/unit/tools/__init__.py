# SPDX-License-Identifier: Apache-2.0

import os
import unittest

if os.name == 'nt':
    raise unittest.SkipTest('the tools of a checkout are for Linux')
