# SPDX-License-Identifier: Apache-2.0
"""Rules over an image and a host: HV4xx; the host's own last word: HV5xx."""

from __future__ import annotations

from hyperv_sched.rules import references
from hyperv_sched.rules.model import Rule

RULES = (
    Rule('HV401', 'host-not-hyperv', 'error',
         'the host runs {actual}, the image needs Hyper-V',
         'hyperv',
         'Use a Hyper-V host, or an image for this hypervisor',
         references.GENERATIONS),
    Rule('HV402', 'host-too-old', 'error',
         'the host runs Hyper-V {actual}, generation 2 needs {required}',
         '>=6.3',
         'Use a host of version {required}, or a generation 1 image',
         references.GENERATIONS),
    Rule('HV403', 'host-version-unknown', 'error',
         'the host has not reported its hypervisor version',
         'a known version',
         'See that nova-compute on the host runs and reports',
         references.GENERATIONS),
    Rule('HV404', 'version-requirement-unmet', 'error',
         'the host runs Hyper-V {actual}, the image requires {required}',
         'hypervisor_version_requires',
         'Use a host that satisfies it, or correct the requirement',
         references.SCHEDULING),
    Rule('HV405', 'request-invalid', 'error',
         'no host can meet the image: {actual}',
         'properties that agree',
         'Correct the image: hyperv-sched image lint tells how',
         references.USAGE),
    Rule('HV501', 'generation-unsupported-here', 'error',
         'this host cannot run the image: {actual}',
         'a host that can',
         'Another host may do', references.USAGE),
    # The fault of a server has little room: the finding brings its own fix.
    Rule('HV502', 'image-unusable', 'error',
         '{actual}',
         'an image that Hyper-V runs',
         'Correct the image: hyperv-sched image lint tells how',
         references.USAGE),
    Rule('HV503', 'device-bus-ide', 'error',
         'a device asks for disk_bus {actual}, generation 2 has SCSI only',
         'SCSI',
         'Leave disk_bus out: the driver takes SCSI',
         references.GENERATIONS),
    Rule('HV504', 'rescue-generation', 'error',
         'the rescue image is {actual}, the server is {required}',
         'an image of the same generation',
         'Rescue with an image of hw_machine_type={required}',
         references.USAGE),
)
