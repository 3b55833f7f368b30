#!/bin/bash
# Installs the packages of packages.txt. Each is fetched from a mirror that apt uses or, when testing
# has moved on to a newer version, from Debian's archive of all versions. The hash decides whether it
# is the right file. apt takes what else they need from Debian 13, and refuses them when it cannot.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../stages/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../stages/common.sh"
list=$image/kamailio-backport/packages.txt
archive=https://snapshot.debian.org/archive/debian/20261031T000000Z

architecture=$(dpkg --print-architecture)
grep --quiet "_$architecture\.deb\$" "$list" ||
    fail "sip_packages: backports: packages.txt has no packages for $architecture; use debian13"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mirrors() { # base addresses, one a line
    # shellcheck disable=SC2016 # apt's own variables
    apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Codename: trixie' | sort --unique |
        while read -r uri; do
            case "$uri" in
                # A file with mirrors, as Debian's own images for clouds have it.
                mirror+file:*)
                    uri=${uri#mirror+file:}
                    sed -e 's/#.*//' -e 's/[[:space:]].*//' -e '/^$/d' "/${uri#"${uri%%[!/]*}"}"
                    ;;
                *) printf '%s\n' "$uri" ;;
            esac
        done
    printf '%s\n' "$archive"
}

fetch() { # SHA-256, path on a mirror
    for mirror in "${mirrors[@]}"; do
        /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root download-file \
            "${mirror%/}/$2" "$work/${2##*/}" "SHA256:$1" 2>>"$work/log" && return
    done
    cat "$work/log" >&2
    fail "no mirror has $2 with the hash in packages.txt: ${mirrors[*]}"
}

mapfile -t mirrors < <(mirrors)
while read -r sum path; do
    case "$path" in *"_$architecture.deb") fetch "$sum" "$path" ;; esac
done < <(sed -e 's/#.*//' -e '/^$/d' "$list")
apt-get install --yes -qq "$work"/*.deb >/dev/null
