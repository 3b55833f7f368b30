# shellcheck shell=bash
# Sourced by every stage: environment, and what more than one of them does.
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# Read by the scripts that source this file.
# shellcheck disable=SC2034
image=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

fail() {
    echo "${0##*/}: $*" >&2
    exit 2
}

# Packages must not start their services while the image is made: neither in a chroot nor on the build
# instance. Holds until the script ends.
keep_services_stopped() {
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
}

# Removes what apt downloaded: packages, and the lists of packages.
clean_apt() {
    apt-get clean
    rm -rf /var/lib/apt/lists/*_*
}

require_payload() { # directory
    [ -d "$1" ] || fail "'$1' is not a payload directory"
}
