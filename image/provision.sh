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

# Replaces the module http_async_client by one with files/http_async_client.patch, built from the source
# package of the Kamailio that is installed; with the same options, or Kamailio refuses to load it. What
# that needs is gone again afterwards.
mend_kamailio() {
    local work version module lists=/etc/apt/sources.list.d/c4-source.list
    local -a before needed=(bison dpkg-dev flex gcc libc6-dev libcurl4-openssl-dev libevent-dev make patch pkgconf)
    work=$(mktemp -d)
    # shellcheck disable=SC2016 # dpkg's own variables
    version=$(dpkg-query --show --showformat '${Version}' kamailio)
    # shellcheck disable=SC2016
    mapfile -t before < <(dpkg-query --show --showformat '${Package}:${Architecture}\n')
    module=$(dpkg-query --listfiles kamailio-extra-modules | grep '/http_async_client\.so$')
    if ! apt-get source --print-uris -qq "kamailio=$version" >/dev/null 2>&1; then
        grep '^deb ' /etc/apt/sources.list | while read -r _ where; do echo "deb-src $where"; done >"$lists" ||
            fail "apt knows no source packages (deb-src)"
        apt-get update -qq
    fi
    apt-get install --yes -qq "${needed[@]}" >/dev/null
    (
        cd "$work"
        # One by one: a mirror may lack the signature file, and the index has the checksums.
        apt-get source --print-uris -qq "kamailio=$version" | while read -r uri name _ sum; do
            case "$name" in *.asc) continue ;; esac
            uri=${uri#\'}
            /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root download-file "${uri%\'}" "$name" "$sum"
        done
        mkdir source
        tar --extract --strip-components=1 --directory=source --file kamailio_*.orig.tar.*z
        tar --extract --directory=source --file kamailio_*.debian.tar.xz
        cd source
        grep -v '^#' debian/patches/series | while read -r name; do patch --quiet -p1 <"debian/patches/$name"; done
        patch --quiet --force -p1 <"$here/files/http_async_client.patch" ||
            fail "http_async_client.patch does not fit Kamailio $version: is it mended there?"
        export DEB_BUILD_MAINT_OPTIONS=hardening=+all
        {
            make cfg prefix=/usr cfg_target=/etc/kamailio/ FLAVOUR=kamailio include_modules=http_async_client group_include= \
                CC_EXTRA_OPTS="$(dpkg-buildflags --get CPPFLAGS) $(dpkg-buildflags --get CFLAGS) -DVERSION_NODATE" \
                LD_EXTRA_OPTS="$(dpkg-buildflags --get LDFLAGS)"
            make -C src modules modules=modules/http_async_client
        } >../log 2>&1 || { tail -n 40 ../log >&2; fail "http_async_client could not be built"; }
        strip --strip-unneeded src/modules/http_async_client/http_async_client.so
        install -m 0644 src/modules/http_async_client/http_async_client.so "$module"
    )
    # shellcheck disable=SC2016
    dpkg-query --show --showformat '${Package}:${Architecture}\n' |
        grep --fixed-strings --line-regexp --invert-match --file=<(printf '%s\n' "${before[@]}") |
        xargs apt-get purge --yes -qq >/dev/null
    rm -rf "$work" "$lists"
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
    mend_kamailio
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
    install -m 0644 "$here/files/hugepages.conf" /usr/lib/tmpfiles.d/c4-hugepages.conf
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
