# SPDX-License-Identifier: Apache-2.0

import random

from benchmarks import offer_chance
from tests.unit import base


class ChanceTestCase(base.TestCase):

    def test_one_capable_host_is_offered_as_often_as_any(self):
        self.assertAlmostEqual(
            0.2, offer_chance.chance(5_000, 1, 1_000), places=12)

    def test_small_cloud_as_counted_by_hand(self):
        # Of the 10 pairs of 5 hosts 3 have none of the 2 capable ones.
        self.assertAlmostEqual(0.7, offer_chance.chance(5, 2, 2), places=12)

    def test_offer_of_all_hosts_has_every_capable_one(self):
        self.assertEqual(1, offer_chance.chance(1_000, 1, 1_000))
        self.assertEqual(1, offer_chance.chance(999, 1, 1_000))
        self.assertGreater(1, offer_chance.chance(1_001, 1, 1_000))

    def test_no_capable_host(self):
        self.assertEqual(0, offer_chance.chance(5_000, 0, 1_000))

    def test_very_large_cloud(self):
        self.assertAlmostEqual(
            0.0956, offer_chance.chance(100_000, 10, 1_000), places=4)

    def test_simulation_agrees(self):
        for hosts, capable, offered in ((5, 2, 2), (50, 3, 10), (9, 1, 10)):
            self.assertAlmostEqual(
                offer_chance.chance(hosts, capable, offered),
                offer_chance.simulate(hosts, capable, offered, 2000,
                                      random.Random(0)), delta=0.04)
