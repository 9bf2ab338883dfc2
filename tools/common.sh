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

# install_debian PACKAGE: as root, or where sudo asks for no password.
install_debian() {
    local sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo -n)
    echo "Installing the Debian package $1"
    { "${sudo[@]}" apt-get update &&
      "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
          apt-get install -y "$1"; } >/dev/null 2>&1 ||
        fail "the Debian package $1 is needed and cannot be installed"
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
