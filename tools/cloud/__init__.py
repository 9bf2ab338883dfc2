# SPDX-License-Identifier: Apache-2.0
"""A real OpenStack on loopback; see doc/source/devcloud.rst.

Run as ``tools/devcloud``; standard library only. What it starts runs from
an environment of its own below the state directory:

errors.py     what goes wrong, for people
state.py      the state directory: places, ports, passwords
hosts.py      which computes there are
software.py   pip and Debian packages, hyperv-sched from this checkout
process.py    starting, finding and ending processes
config.py     configuration of the services; templates in etc/
services.py   what runs, what it needs, when it is ready
setup.py      what is done once: databases, cells, catalog, users
steps.py      all of it at once, as far as one does not need the other
api.py        requests to the APIs as administrator
cloud.py      up, down, start, stop
main.py       the command line

virt.py       the driver that nova-compute runs here
neutron.py    as much of the Networking API as Nova needs
"""
