#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install Debian or Ubuntu to a raw disk that boots by UEFI, with the signed
# boot loaders of the distribution. Run as root, in a mount namespace of its
# own, whose end unmounts all of it:
#
#   unshare --mount tests/e2e/installation.sh \
#       DISK.raw SUITE MIRROR KEYRING KERNEL
#
# KERNEL is the package of a kernel.
set -eu
disk=$1 suite=$2 mirror=$3 keyring=$4 kernel=$5
root=$disk.root esp_size=128 mib=1048576

rm -rf "$root"
debootstrap --variant=minbase --keyring="$keyring" \
    --include="$kernel,initramfs-tools,grub-efi-amd64-signed,shim-signed" \
    --components=main "$suite" "$root" "$mirror"

rm -f "$disk"
truncate -s 3G "$disk"
sgdisk -n "1:2048:+${esp_size}M" -t 1:ef00 -n 2:0:0 -t 2:8300 "$disk"
size=$((3 * 1024 - esp_size - 2))
mkfs.vfat -F 32 -s 1 --offset 2048 "$disk" $((esp_size * 1024))
system=$disk.system target=$disk.mounted
rm -f "$system"
truncate -s ${size}M "$system"
mkfs.ext4 -q "$system"
uuid=$(blkid -s UUID -o value "$system")
mkdir -p "$target"
mount -o loop "$system" "$target"
cp -a "$root/." "$target"
rm -rf "$root"
echo "UUID=$uuid / ext4 defaults 0 1" > "$target/etc/fstab"

mount -t tmpfs none "$target/dev"
cp -a /dev/null /dev/zero /dev/random /dev/urandom "$target/dev"
mount -t proc none "$target/proc"
mount -t sysfs none "$target/sys"
printf '%s\n' hv_vmbus hv_storvsc hv_netvsc \
    >> "$target/etc/initramfs-tools/modules"
chroot "$target" update-initramfs -u -k all

# What update-grub and grub-install --force-extra-removable write. The former
# does not find the device of a loop mount in a chroot, and the latter wants
# the ESP mounted, and not each kernel has vfat.
mkdir -p "$target/boot/grub"
echo "search --no-floppy --fs-uuid --set=root $uuid
set timeout=1
menuentry Linux {
    linux /boot/$(ls "$target/boot" | grep ^vmlinuz-) root=UUID=$uuid ro
    initrd /boot/$(ls "$target/boot" | grep ^initrd.img-)
}" > "$target/boot/grub/grub.cfg"
vendor=$(basename "$(ls -d "$target"/usr/lib/grub/*-signed | head -n 1)")
id=$(. "$target/etc/os-release" && echo "$ID")
stub=$disk.cfg
echo "search.fs_uuid $uuid root
set prefix=(\$root)'/boot/grub'
configfile \$prefix/grub.cfg" > "$stub"
shim=$target/usr/lib/shim grub=$target/usr/lib/grub/$vendor
volume=$disk@@$mib
mmd -i "$volume" ::EFI ::EFI/BOOT "::EFI/$id"
for directory in BOOT "$id"; do
    mcopy -i "$volume" "$grub/grubx64.efi.signed" \
        "::EFI/$directory/grubx64.efi"
    for name in fbx64.efi mmx64.efi; do
        # Ubuntu's are signed and have no other name.
        [ -e "$shim/$name.signed" ] && file=$name.signed || file=$name
        mcopy -i "$volume" "$shim/$file" "::EFI/$directory/$name"
    done
done
mcopy -i "$volume" "$shim/shimx64.efi.signed" ::EFI/BOOT/BOOTX64.EFI
mcopy -i "$volume" "$shim/shimx64.efi.signed" "::EFI/$id/shimx64.efi"
mcopy -i "$volume" "$shim/BOOTX64.CSV" "::EFI/$id/BOOTX64.CSV"
mcopy -i "$volume" "$stub" "::EFI/$id/grub.cfg"
umount -R "$target"
dd if="$system" of="$disk" bs=$mib seek=$((esp_size + 1)) conv=sparse,notrunc
rm -rf "$stub" "$system" "$target"
