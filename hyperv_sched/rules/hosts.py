# SPDX-License-Identifier: Apache-2.0
"""Rules over an image and a host (HV4xx), and over a server (HV5xx)."""

from __future__ import annotations

from hyperv_sched.rules import references
from hyperv_sched.rules.model import Rule

RULES = (
    Rule('HV401', 'host-not-hyperv', 'error',
         'the host runs {actual}, the image needs Hyper-V',
         'hyperv',
         'Use a Hyper-V host, or an image for this hypervisor',
         references.GENERATIONS,
         scope='host',
         why='Nova gives an image without hypervisor_type to hosts of any '
             'hypervisor.'),
    Rule('HV402', 'host-too-old', 'error',
         'the host runs Hyper-V {actual}, generation 2 needs {required}',
         '>=6.3',
         'Use a host of version {required}, or a generation 1 image',
         references.GENERATIONS,
         scope='host',
         why='Windows Server 2012 and older do not run generation 2.'),
    Rule('HV403', 'host-version-unknown', 'error',
         'the host has not reported its hypervisor version',
         'a known version',
         'See that nova-compute on the host runs and reports',
         references.GENERATIONS,
         scope='host',
         why='A host without a known version may be too old. Generation 2, '
             'and an image that requires a version, are not given to it.'),
    Rule('HV404', 'version-requirement-unmet', 'error',
         'the host runs Hyper-V {actual}, the image requires {required}',
         'hypervisor_version_requires',
         'Correct the requirement, or use another host',
         references.SCHEDULING,
         scope='host',
         why='Nova ignores the requirement unless hypervisor_type is set '
             'too.'),
    Rule('HV405', 'request-invalid', 'error',
         'no host can meet the image: {reason}',
         'properties that agree',
         'Correct the image: hyperv-sched image lint tells how',
         references.USAGE,
         scope='host', prevents='scheduling',
         why='Properties that contradict each other, or that Nova refuses, '
             'fit no host.'),
    Rule('HV501', 'generation-unsupported-here', 'error',
         'this host cannot run the image: {reason}',
         'a host that can',
         'Another host may do', references.USAGE,
         scope='server', prevents='build',
         why='The driver would fail on this host, after the download of the '
             'image.'),
    # The fault of a server has little room: the finding brings its own fix.
    Rule('HV502', 'image-unusable', 'error',
         '{reason}',
         'an image that Hyper-V runs',
         'Correct the image: hyperv-sched image lint tells how',
         references.USAGE,
         scope='server', prevents='build',
         why='The driver would fail on every host, after the download of the '
             'image.'),
    Rule('HV503', 'device-bus-ide', 'error',
         'a device requests disk_bus {actual}, generation 2 has SCSI only',
         'SCSI',
         'Leave disk_bus out: the driver takes SCSI',
         references.GENERATIONS,
         scope='server', prevents='build',
         why='Generation 2 has no IDE controller, and the driver notices it '
             'late.'),
    Rule('HV504', 'rescue-generation', 'error',
         'the rescue image is {actual}, the server is {required}',
         'an image of the same generation',
         'Rescue with an image of hw_machine_type={required}',
         references.USAGE,
         scope='server', prevents='build',
         why='The virtual machine exists, and its generation cannot be '
             'changed.'),
    Rule('HV505', 'rebuild-generation', 'error',
         'the guest could not come back: {reason}',
         'an image that this host can run',
         'Rebuild with another image',
         references.USAGE,
         scope='server', prevents='build',
         why='Nova destroys the guest before it builds the new one.'),
)
