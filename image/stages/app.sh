#!/bin/bash
# Stage `app`: our own code, and the list of what the image is made of.
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
install -m 0644 "$files/c4-bundle.service" /usr/lib/systemd/system/c4-bundle.service
install -m 0644 "$files/hugepages.conf" /usr/lib/tmpfiles.d/c4-hugepages.conf
/opt/c4/venv/bin/python -m compileall -q /opt/c4/app

installed() { # package; prints its version, or nothing
    # shellcheck disable=SC2016  # dpkg-query fills it in
    dpkg-query --show --showformat='${Version}' "$1" 2>/dev/null || true
}

# `c4 version` and `c4-agent version` print it.
jq --null-input \
    --arg debian "$(cat /etc/debian_version)" \
    --arg python "$(python3 -c 'import platform; print(platform.python_version())')" \
    --arg kamailio "$(installed kamailio)" \
    --arg rtpengine "$(installed rtpengine-daemon)" \
    --arg consul "$(consul version | sed -n '1s/^Consul v//p')" \
    --arg consul-template "$(consul-template -version | sed -n '1s/^consul-template v\([^ ]*\).*/\1/p')" \
    --arg postgresql-client "$(installed postgresql-client-17)" \
    --arg valkey "$(installed valkey-server)" \
    '$ARGS.named | with_entries(select(.value != ""))' >/opt/c4/versions.json
