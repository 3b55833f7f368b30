#!/bin/bash
# Stage `rds`: what a machine of the local cloud needs to stand in for an RDS instance, on top of the
# stage `lab`: PostgreSQL 17 with an empty cluster. Not part of the AMI.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=$image/files/rds

keep_services_stopped
apt-get update -qq
apt-get install --yes -qq postgresql-17 >/dev/null
clean_apt
install -m 0644 "$files/postgresql-rds.conf" /etc/postgresql/17/main/conf.d/rds.conf
install -m 0640 -o postgres -g postgres "$files/pg_hba-rds.conf" /etc/postgresql/17/main/pg_hba.conf
install -m 0644 "$files/c4-database.service" /etc/systemd/system/c4-database.service
systemctl enable --quiet postgresql.service c4-database.service
systemctl mask --quiet cloud-init-main.service cloud-init-local.service cloud-init-network.service \
    cloud-config.service cloud-final.service
