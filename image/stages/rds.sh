#!/bin/bash
# What a machine of the local cloud needs to stand in for an RDS instance: PostgreSQL 17 with an
# empty cluster. Runs in a chroot, on top of provision.sh's `os` stage. Not part of the AMI.
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
trap 'rm -f /usr/sbin/policy-rc.d' EXIT
apt-get update -qq
apt-get install --yes -qq postgresql-17 >/dev/null
apt-get clean
rm -rf /var/lib/apt/lists/*_*
install -m 0644 "$here/files/postgresql-rds.conf" /etc/postgresql/17/main/conf.d/rds.conf
install -m 0640 -o postgres -g postgres "$here/files/pg_hba-rds.conf" /etc/postgresql/17/main/pg_hba.conf
install -m 0644 "$here/files/c4-database.service" /etc/systemd/system/c4-database.service
systemctl enable --quiet postgresql.service c4-database.service
systemctl mask --quiet cloud-init-main.service cloud-init-local.service cloud-init-network.service \
    cloud-config.service cloud-final.service
