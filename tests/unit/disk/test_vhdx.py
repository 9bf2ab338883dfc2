# SPDX-License-Identifier: Apache-2.0

from tests import samples
from tests.unit.disk.vhdx import base
from tests.unit.disk.vhdx.base import VHDX


class ReadTestCase(base.TestCase):

    def test_vhd_footer_behind_a_vhdx_is_a_defect(self):
        self.assertBoots(VHDX + samples.fixed_vhd(512)[-512:],
                         'trailing-vhd-footer')
