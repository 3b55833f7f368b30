#!/bin/bash
# Stage `app`: our own code.
#
#   app.sh PAYLOAD
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
files=$image/files/app
payload=${1:-}
require_payload "$payload"

rm -rf /opt/c4/app
cp -r --no-preserve=ownership "$payload/app" /opt/c4/app
install -m 0755 "$files/c4-agent" /usr/local/bin/c4-agent
install -m 0644 "$files/hugepages.conf" /usr/lib/tmpfiles.d/c4-hugepages.conf
/opt/c4/venv/bin/python -m compileall -q /opt/c4/app
