#!/bin/bash
# Stage `lab`: what only a machine of the local cloud needs, on top of the stage `os`. Not part of the
# AMI.
#
#   lab.sh CA   file with the certificate of the local cloud's authority, PEM
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=$image/files/lab
ca=${1:-}
[ -f "$ca" ] || fail "'$ca' is not a certificate file"

# The address is there before the machine boots: no DHCP client, no udev, no network daemon.
dpkg-divert --quiet --local --rename --divert /usr/sbin/dhcpcd.real --add /usr/sbin/dhcpcd
systemctl mask --quiet systemd-udevd.service systemd-udevd-kernel.socket systemd-udevd-control.socket \
    systemd-udev-trigger.service systemd-networkd-wait-online.service systemd-pstore.service \
    cloud-init-hotplugd.socket console-getty.service getty.target chrony.service fstrim.timer \
    e2scrub_all.timer e2scrub_reap.service systemd-timesyncd.service systemd-networkd.service \
    systemd-resolved.service systemd-homed.service remote-fs.target \
    systemd-ask-password-console.path systemd-ask-password-wall.path 2>/dev/null

install -m 0644 "$files/cloud-lab.cfg" /etc/cloud/cloud.cfg.d/99-lab.cfg
install -m 0644 "$files/journald-lab.conf" -D /etc/systemd/journald.conf.d/lab.conf
rm -f /etc/resolv.conf
install -m 0644 "$files/resolv.conf" /etc/resolv.conf
install -m 0644 "$ca" /usr/local/share/ca-certificates/c4-lab.crt
update-ca-certificates --fresh >/dev/null
# Each machine gets its own identity at first boot.
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id
# The caches that systemd would bring up to date at the first boot after an update are so.
touch /etc/.updated /var/.updated
