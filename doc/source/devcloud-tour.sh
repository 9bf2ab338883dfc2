# SPDX-License-Identifier: Apache-2.0

tools/devcloud up
eval "$(tools/devcloud env)"
glance-manage db load_metadefs --merge --overwrite --path $PWD/etc/metadefs/compute-hyperv-generation.json
tools/devcloud disks /tmp
GEN2='--property hw_machine_type=hyperv-gen2 --property hypervisor_type=hyperv --property hypervisor_version_requires=>=6.3'
hyperv-sched image lint --disk-format vhdx $GEN2 /tmp/uefi.vhdx /tmp/bios.vhdx
openstack image create --disk-format vhdx --file /tmp/uefi.vhdx $GEN2 good
openstack image create --import --disk-format vhdx --file /tmp/bios.vhdx $GEN2 bad
glance image-tasks $(openstack image show bad -c id -f value)
openstack server create --no-network --flavor small --image good --wait web
openstack --os-cloud admin server create --no-network --flavor small --image good --host ws2012 --wait old
tools/devcloud logs nova-scheduler | grep HV402
tools/devcloud down
