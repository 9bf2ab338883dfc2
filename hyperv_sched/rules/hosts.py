# SPDX-License-Identifier: Apache-2.0
"""Rules over an image and a host (HV4xx), and over a server (HV5xx)."""

from __future__ import annotations

from hyperv_sched import names
from hyperv_sched.rules import references
from hyperv_sched.rules.model import Failure
from hyperv_sched.rules.model import Rule

RULES = (
    Rule('HV401', 'host-not-hyperv', 'error',
         'the host runs {actual}, the image needs Hyper-V',
         'hyperv',
         'Use a Hyper-V host, or an image for this hypervisor',
         references.GENERATIONS,
         scope='host',
         why='Nova gives an image without hypervisor_type to hosts of any '
             'hypervisor.',
         failure=Failure(
             'the hosts run another hypervisor',
             'use an image for that hypervisor, or an availability zone or '
             'flavor with Hyper-V hosts',
             'offer such a zone or flavor')),
    Rule('HV402', 'host-too-old', 'error',
         'the host runs Hyper-V {actual}, generation 2 needs {required}',
         '>=6.3',
         'Use a host of version {required}, or a generation 1 image',
         references.GENERATIONS,
         scope='host',
         why='Windows Server 2012 and older do not run generation 2.',
         failure=Failure(
             'the hosts run Windows Server 2012, which has no generation 2',
             'use a generation 1 image',
             'add hosts of Windows Server 2012 R2 or newer')),
    Rule('HV403', 'host-version-unknown', 'error',
         'the host has not reported its hypervisor version',
         'a known version',
         'See that nova-compute on the host runs and reports',
         references.GENERATIONS,
         scope='host',
         why='A host without a known version may be too old. Generation 2, '
             'and an image that requires a version, are not given to it.',
         failure=Failure(
             'a host has not reported its version',
             'try again in some minutes, then report it',
             'see that nova-compute on the host runs')),
    Rule('HV404', 'version-requirement-unmet', 'error',
         'the host runs Hyper-V {actual}, the image requires {required}',
         'hypervisor_version_requires',
         'Correct the requirement, or use another host',
         references.SCHEDULING,
         scope='host',
         why='Nova ignores the requirement unless hypervisor_type is set '
             'too.',
         failure=Failure(
             'the hosts do not meet hypervisor_version_requires, or the '
             'image needs a feature of Windows Server 2016',
             'correct the property: >=6.3 for generation 2, >=10.0 for '
             'Windows Server 2016 and newer. For Linux on older hosts, set '
             'os_secure_boot=disabled',
             'add newer hosts')),
    Rule('HV405', 'request-invalid', 'error',
         'no host can meet the image: {reason}',
         'properties that agree',
         'Correct the image: hyperv-sched image lint tells how',
         references.USAGE,
         scope='host', prevents='scheduling',
         why='Properties that contradict each other, or that Nova refuses, '
             'fit no host.',
         failure=Failure(
             'no host can run the image: the code after HV405 has the reason',
             'correct that property: hyperv-sched image lint --image IMAGE '
             '--fix, which prints the command',
             'correct an image that belongs to no project of the user')),
    Rule('HV406', 'host-trait-missing', 'error',
         'the host does not have the trait {required}, the image requires it',
         'the traits that the image requires',
         'Use a host with the trait, or remove trait:{required} from the '
         'image',
         references.SCHEDULING,
         scope='host',
         why='Placement offers only hosts that have all traits which the '
             'image requires.'),
    Rule('HV407', 'host-unavailable', 'warning',
         'nova-compute on the host is {actual}',
         'up and enabled',
         'Start nova-compute, or enable the service',
         references.SCHEDULING,
         scope='host',
         why='Nova does not schedule to a host that is down or disabled.'),
    Rule('HV408', 'host-without-generation-2-trait', 'warning',
         'the host can run generation 2 and does not have the trait '
         '{required}',
         names.GENERATION_2_TRAIT,
         'Use hyperv_sched.EnforcedDriver on the host, which reports it',
         references.SCHEDULING,
         scope='host',
         why='An image that requires the trait, as image lint advises, is '
             'never given to this host.'),
    Rule('HV409', 'image-without-host', 'error',
         'none of {required} can run the image: {actual}',
         'a host',
         'Correct the image, or add a host that can run it',
         references.USAGE,
         scope='host',
         why='Every server of the image ends in "No valid host was found".'),
    Rule('HV410', 'image-with-few-hosts', 'info',
         'only {actual} of {required} can run the image',
         'the Hyper-V hosts',
         'Nothing needs to be done if the capacity of these hosts is enough',
         references.USAGE,
         scope='host',
         why='The image has less capacity than the cloud seems to have.'),
    Rule('HV501', 'generation-unsupported-here', 'error',
         'this host cannot run the image: {reason}',
         'a host that can',
         'Another host may do', references.USAGE,
         scope='server', prevents='build',
         why='The driver would fail on this host, after the download of the '
             'image.',
         failure=Failure(
             'this host cannot run the image. Nova tries another one',
             'if all hosts refuse, correct the image by the code after HV501',
             'enable HyperVGenerationFilter, which skips such hosts')),
    # The fault of a server has little room: the finding brings its own fix.
    Rule('HV502', 'image-unusable', 'error',
         '{reason}',
         'an image that Hyper-V runs',
         'Correct the image: hyperv-sched image lint tells how',
         references.USAGE,
         scope='server', prevents='build',
         why='The driver would fail on every host, after the download of the '
             'image.',
         failure=Failure(
             'no host can run the image: the code after HV502 has the reason',
             'correct the image or its disk: hyperv-sched image lint FILE; '
             'that reads all of the disk, the host its first bytes only',
             'correct a public image')),
    Rule('HV503', 'device-bus-ide', 'error',
         'a device requests disk_bus {actual}, generation 2 has SCSI only',
         'SCSI',
         'Leave disk_bus out: the driver takes SCSI',
         references.GENERATIONS,
         scope='server', prevents='build',
         why='Generation 2 has no IDE controller, and the driver notices it '
             'late.',
         failure=Failure(
             'a device with disk_bus=ide, which generation 2 does not have',
             'attach it with disk_bus=scsi',
             '')),
    Rule('HV504', 'rescue-generation', 'error',
         'the rescue image is {actual}, the server is {required}',
         'an image of the same generation',
         'Rescue with an image of hw_machine_type={required}',
         references.USAGE,
         scope='server', prevents='build',
         why='The virtual machine exists, and its generation cannot be '
             'changed.',
         failure=Failure(
             'the image of a rescue is of the other generation. The server '
             'is in ERROR, the guest is still running',
             'start it: openstack server reboot --hard SERVER; or rescue it '
             'with an image of the same generation',
             'set its state: openstack server set --state active SERVER')),
    Rule('HV505', 'rebuild-generation', 'error',
         'the guest could not come back: {reason}',
         'an image that this host can run',
         'Rebuild with another image',
         references.USAGE,
         scope='server', prevents='build',
         why='Nova destroys the guest before it builds the new one.',
         failure=Failure(
             'the guest could not start after the rebuild. The server is in '
             'ERROR, the guest and its disk are not changed',
             'start it: openstack server reboot --hard SERVER; do not rebuild '
             'it again, which wipes the disk',
             'give it its resources again: nova-manage placement '
             'heal_allocations --instance UUID')),
    Rule('HV506', 'host-older-release', 'error',
         'the guest was made on Windows {required}, and the host runs '
         '{actual}',
         'the same or a newer release',
         'Migrate to a host of at least this release',
         references.USAGE,
         scope='server', prevents='build',
         why='A virtual machine has the configuration version of the Windows '
             'that made it. An older Windows cannot import it, and '
             'compute-hyperv has removed the virtual machine from its host by '
             'then.',
         failure=Failure(
             'the server was made on a newer Windows than that of the '
             'destination. A cold migration, a resize or a live migration '
             'ends, and the guest keeps running',
             '',
             'migrate to a host of at least that release')),
    Rule('HV507', 'server-without-destination', 'warning',
         'no other host can run the server: {actual}',
         'another host that is up and enabled',
         'Add a host that can run the image, or enable one',
         references.USAGE,
         scope='server',
         why='The server can be neither evacuated nor migrated when its host '
             'fails or is maintained.'),
    Rule('HV508', 'server-on-unsuitable-host', 'warning',
         'the host of the server cannot run its image: {reason}',
         'an image that the host can run',
         'Migrate the server to a host that can run the image',
         references.USAGE,
         scope='server',
         why='A rebuild of the server is refused on this host.'),
    Rule('HV509', 'image-unavailable', 'error',
         'the image cannot be read now: {actual}',
         'an image that can be read',
         'Try again later', references.USAGE,
         scope='server', prevents='build',
         why='Glance or the host does not answer, and what cannot be read '
             'cannot be checked.',
         failure=Failure(
             'the host could not read the image at that time. Nova tries '
             'another one',
             'try again later',
             'see that Glance answers the host, and that its disk is not '
             'full')),
)
