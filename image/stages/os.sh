#!/bin/bash
# Stage `os`: Debian packages, patched Kamailio modules, users; undoes what the packages enabled.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=$image/files/os

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
sed -e 's/#.*//' "$files/packages.txt" | xargs apt-get install --yes -qq >/dev/null
bash "$image/kamailio-module/build.sh"
clean_apt

system_user consul /var/lib/consul
system_user c4 /var/lib/c4
install -d -m 0755 /etc/c4 /opt/c4

# Which services run is the tier's choice, made by its user data; the packages' own choices are
# undone. Disabled, not masked: the user data writes units of the same names.
systemctl disable --quiet kamailio.service rtpengine-daemon.service
systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
install -m 0644 "$files/cloud.cfg" /etc/cloud/cloud.cfg.d/50-c4.cfg
