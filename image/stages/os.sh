#!/bin/bash
# Stage `os`: Debian packages, Kamailio, users; undoes what the packages enabled.
#
#   os.sh SIP_PACKAGES   `debian13`: Debian 13's Kamailio with patched modules; `backports`: testing's
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=$image/files/os
sip_packages=${1:-}
case "$sip_packages" in
    debian13 | backports) ;;
    *) fail "unknown SIP packages '$sip_packages'; allowed: debian13, backports" ;;
esac

debian_packages() {
    sed -e 's/#.*//' "$files/packages.txt" |
        if [ "$sip_packages" = backports ]; then grep -v '^kamailio'; else cat; fi
}

system_user() { # name home
    getent passwd "$1" >/dev/null ||
        useradd --system --user-group --home-dir "$2" --shell /usr/sbin/nologin "$1"
    install -d -m 0750 -o "$1" -g "$1" "$2"
}

# shellcheck source=/dev/null
. /etc/os-release
[ "${VERSION_CODENAME:-}" = trixie ] ||
    fail "this is ${PRETTY_NAME:-an unknown system}; Debian 13 (trixie) is needed"

keep_services_stopped
install -m 0644 "$files/apt.conf" /etc/apt/apt.conf.d/90c4
install -m 0644 "$files/dpkg.cfg" /etc/dpkg/dpkg.cfg.d/90c4

apt-get update -qq
debian_packages | xargs apt-get install --yes -qq >/dev/null
case "$sip_packages" in
    debian13) bash "$image/kamailio-module/build.sh" ;;
    backports) bash "$image/kamailio-backport/install.sh" ;;
esac
clean_apt

system_user consul /var/lib/consul
system_user c4 /var/lib/c4
install -d -m 0755 /etc/c4 /opt/c4

# Which services run is the tier's choice, made by its user data; the packages' own choices are
# undone. Disabled, not masked: the user data writes units of the same names.
systemctl disable --quiet kamailio.service rtpengine-daemon.service
systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
install -m 0644 "$files/cloud.cfg" /etc/cloud/cloud.cfg.d/50-c4.cfg
