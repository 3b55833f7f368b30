#!/bin/bash
# Turns a Debian 13 root into the C4 machine image, from inside that root: on the build instance of
# EC2 Image Builder, or in a chroot for the local cloud. One script, so that both images are the same.
#
#   provision.sh os              Debian packages, users, undoing what packages enabled (needs a Debian mirror)
#   provision.sh tools PAYLOAD   Consul, consul-template and the Python environment (no network)
#   provision.sh app PAYLOAD     our code (no network, a second)
#
# PAYLOAD is a directory made by `python -m image payload`. Every stage may run again on its own result.
set -euo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    echo "provision.sh: $*" >&2
    exit 2
}

system_user() { # name home
    getent passwd "$1" >/dev/null ||
        useradd --system --user-group --home-dir "$2" --shell /usr/sbin/nologin "$1"
    install -d -m 0750 -o "$1" -g "$1" "$2"
}

os_stage() {
    # shellcheck source=/dev/null
    . /etc/os-release
    [ "${VERSION_CODENAME:-}" = trixie ] ||
        fail "this is ${PRETTY_NAME:-an unknown system}; Debian 13 (trixie) is needed"

    # Packages must not start their services here: neither in a chroot nor on the build instance.
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 0755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    install -m 0644 "$here/files/apt.conf" /etc/apt/apt.conf.d/90c4
    install -m 0644 "$here/files/dpkg.cfg" /etc/dpkg/dpkg.cfg.d/90c4

    apt-get update -qq
    sed -e 's/#.*//' "$here/packages.txt" | xargs apt-get install --yes -qq >/dev/null
    apt-get clean
    rm -rf /var/lib/apt/lists/*_*

    system_user consul /var/lib/consul
    system_user c4 /var/lib/c4
    install -d -m 0755 /etc/c4 /opt/c4

    # Which services run is the tier's choice, made by its user data; the packages' own choices are
    # undone. Disabled, not masked: the user data writes units of the same names.
    systemctl disable --quiet kamailio.service rtpengine-daemon.service
    systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    install -m 0644 "$here/files/cloud.cfg" /etc/cloud/cloud.cfg.d/50-c4.cfg
}

tools_stage() {
    local payload=$1 site
    install -m 0755 "$payload/bin/consul" "$payload/bin/consul-template" /usr/local/bin/
    install -m 0644 "$payload/rds-ca.pem" /etc/c4/rds-ca.pem
    rm -rf /opt/c4/venv
    python3 -m venv --without-pip /opt/c4/venv
    site=$(/opt/c4/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp -r --no-preserve=ownership "$payload/site-packages/." "$site/"
    # Compiled once here, not by every new machine while it boots.
    /opt/c4/venv/bin/python -m compileall -q -j 0 "$site" >/dev/null || true # some ship broken templates
}

app_stage() {
    local payload=$1
    rm -rf /opt/c4/app
    cp -r --no-preserve=ownership "$payload/app" /opt/c4/app
    install -m 0755 "$here/files/c4-agent" /usr/local/bin/c4-agent
    /opt/c4/venv/bin/python -m compileall -q /opt/c4/app
}

[ "$(id -u)" = 0 ] || fail "must run as root"
stage=${1:-}
payload=${2:-}
case "$stage" in
    os) os_stage ;;
    tools | app)
        [ -d "$payload" ] || fail "stage $stage: '$payload' is not a payload directory"
        "${stage}_stage" "$payload"
        ;;
    *) fail "unknown stage '$stage'; allowed: os, tools, app" ;;
esac
