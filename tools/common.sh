# SPDX-License-Identifier: Apache-2.0
# Sourced by the commands beside it: what a fresh machine may lack.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "error: $*" >&2
    exit 1
}

# Nova 34 needs Python 3.11.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
                2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "Python 3.11 or newer is needed (Nova 34 asks for it)"
}

# Root's, or where sudo asks for no password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install_debian PACKAGE...: those that are not there yet.
install_debian() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
            grep -qx installed || missing+=("$package")
    done
    [ "${#missing[@]}" -gt 0 ] || return 0
    echo "Installing the Debian packages ${missing[*]}"
    { as_root apt-get update &&
      as_root env DEBIAN_FRONTEND=noninteractive \
          apt-get install -y --no-install-recommends "${missing[@]}"
    } >/dev/null 2>&1 ||
        fail "the Debian packages ${missing[*]} are needed and cannot be" \
            "installed"
}

# unpack_debian DIR PACKAGE...: their files alone. Installing these would
# change how this very computer boots.
unpack_debian() {
    local home=$PWD/$1 package
    shift
    [ ! -d "$home" ] || return 0
    echo "Unpacking the Debian packages $*"
    rm -rf "$home.new"
    mkdir -p "$home.new"
    ( cd "$home.new" && as_root apt-get update && apt-get download "$@" &&
      for package in *.deb; do
          dpkg-deb -x "$package" . || exit
      done
    ) >/dev/null 2>&1 ||
        fail "the Debian packages $* are needed and cannot be downloaded"
    mv "$home.new" "$home"
}

# What tests/firmware makes disk images with, and starts them on.
prepare_firmware() {
    install_debian dosfstools e2fsprogs exfatprogs fdisk gdisk \
        grub-common grub-efi-amd64-bin grub-efi-ia32-bin grub-pc-bin mtools \
        ovmf qemu-system-x86 qemu-utils systemd-boot-efi xorriso
    unpack_debian .venv/loaders grub-efi-amd64-signed \
        shim-helpers-amd64-signed shim-signed syslinux-common
}

# make_venv DIR REQUIREMENT...: made anew where what goes in has changed.
make_venv() {
    local home=$1 python version wanted
    shift
    # An environment does not work in any other place.
    wanted=$(pwd; echo "$@"; cat setup.cfg)
    if [ "$(cat "$home/wanted" 2>/dev/null)" = "$wanted" ]; then
        return
    fi
    python=$(find_python)
    # Debian keeps it in a package of its own.
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        install_debian "python$version-venv"
    fi
    echo "Installing into $home; this takes some minutes"
    rm -rf "$home"
    mkdir -p "$home"
    if ! { "$python" -m venv "$home" &&
           "$home/bin/pip" install --disable-pip-version-check "$@"; } \
            >"$home/install.log" 2>&1; then
        tail -n 20 "$home/install.log" >&2
        fail "installing failed: is the package index reachable?" \
            "See $PWD/$home/install.log"
    fi
    # What building leaves in the tree; the environment has its own.
    rm -rf hyperv_sched.egg-info
    echo "$wanted" >"$home/wanted"
}
