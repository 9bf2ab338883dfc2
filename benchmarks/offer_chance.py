# SPDX-License-Identifier: Apache-2.0
"""The chance that placement offers a host that can run an image.

    tox -e bench -- offer_chance

Placement offers 1000 of all hosts with free capacity, which it selects by no
property of the image unless traits are required. "chance" is that of at least
one capable host among them, by the hypergeometric distribution; "drawn" is the
share of random offers that had one. With randomize_allocation_candidates each
request draws anew. Without, each placement process draws once for each flavor
and keeps the offer.
"""

import math
import random
import sys

SIZES = (5_000, 20_000, 100_000)
CAPABLE = (1, 10, 100, 1_000)
OFFERED = 1_000
DRAWS = 500


def chance(hosts, capable, offered):
    """Return the probability that an offer has a capable host.

    :param hosts: the number of all hosts with free capacity
    :param capable: the number of those that can run the image
    :param offered: the number of hosts in an offer
    """
    offered = min(offered, hosts)
    return 1 - (math.comb(hosts - capable, offered)
                / math.comb(hosts, offered))


def simulate(hosts, capable, offered, draws, generator):
    """Return the share of random offers that have a capable host.

    :param generator: a random.Random
    """
    offered = min(offered, hosts)
    return sum(
        any(host < capable for host in generator.sample(range(hosts), offered))
        for _ in range(draws)) / draws


def main():
    generator = random.Random(0)  # noqa: S311
    print(f'{"hosts":>8}{"capable":>9}{"chance":>9}{"drawn":>9}')
    for hosts in SIZES:
        for capable in CAPABLE:
            drawn = simulate(hosts, capable, OFFERED, DRAWS, generator)
            print(f'{hosts:>8}{capable:>9}'
                  f'{chance(hosts, capable, OFFERED):>9.2%}{drawn:>9.2%}',
                  flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
