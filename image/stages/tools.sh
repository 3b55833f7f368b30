#!/bin/bash
# Stage `tools`: Consul, consul-template, the CA certificates of RDS and the Python environment.
#
#   tools.sh PAYLOAD
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
payload=${1:-}
require_payload "$payload"

install -m 0755 "$payload/bin/consul" "$payload/bin/consul-template" /usr/local/bin/
install -m 0644 "$payload/rds-ca.pem" /etc/c4/rds-ca.pem
rm -rf /opt/c4/venv
python3 -m venv --without-pip /opt/c4/venv
site=$(/opt/c4/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
cp -r --no-preserve=ownership "$payload/site-packages/." "$site/"
# Compiled once here, not by every new machine while it boots. Some packages ship templates that are
# not valid Python, so a failure means nothing.
/opt/c4/venv/bin/python -m compileall -q -j 0 "$site" >/dev/null || true
