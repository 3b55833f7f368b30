#!/bin/bash
# Replaces modules of the installed Kamailio by patched ones. Each patches/MODULE.patch is applied to
# Debian's source package of the same version, and MODULE is built with Debian's options, or Kamailio
# refuses to load it. The packages that the build needs are gone again afterwards.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=../stages/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../stages/common.sh"
patches=$image/kamailio-module/patches
deb_src=/etc/apt/sources.list.d/c4-source.list
# The last line is what the patched modules themselves include and link.
build_packages=(
    bison dpkg-dev flex gcc libc6-dev make patch pkgconf
    libcurl4-openssl-dev libevent-dev
)
mapfile -t modules < <(basename --multiple --suffix=.patch "$patches"/*.patch)

work=$(mktemp -d)
trap 'rm -rf "$work" "$deb_src"' EXIT

installed_packages() {
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-query --show --showformat '${Package}:${Architecture}\n'
}

source_files() { # of version $1: lines of 'URI' NAME SIZE CHECKSUM
    apt-get source --print-uris -qq "kamailio=$1"
}

installed_module() { # path of the module $1
    dpkg-query --search "*/kamailio/modules/$1.so" | sed 's/^[^ ]* //' ||
        fail "no installed package has the Kamailio module $1"
}

# Fills the directory `source` with what Debian builds version $1 from.
fetch_source() {
    # One by one: a mirror may lack the signature file, and the index has the checksums.
    source_files "$1" | while read -r uri name _ sum; do
        case "$name" in *.asc) continue ;; esac
        uri=${uri#\'}
        /usr/lib/apt/apt-helper -qq -o APT::Sandbox::User=root download-file "${uri%\'}" "$name" "$sum"
    done
    mkdir source
    tar --extract --strip-components=1 --directory=source --file kamailio_*.orig.tar.*z
    tar --extract --directory=source --file kamailio_*.debian.tar.xz
    (
        cd source
        grep -v '^#' debian/patches/series |
            while read -r name; do patch --quiet -p1 <"debian/patches/$name"; done
    )
}

# Builds all of `modules` in the current directory.
build_modules() {
    export DEB_BUILD_MAINT_OPTIONS=hardening=+all
    make cfg prefix=/usr cfg_target=/etc/kamailio/ FLAVOUR=kamailio \
        include_modules="${modules[*]}" group_include= \
        CC_EXTRA_OPTS="$(dpkg-buildflags --get CPPFLAGS) $(dpkg-buildflags --get CFLAGS) -DVERSION_NODATE" \
        LD_EXTRA_OPTS="$(dpkg-buildflags --get LDFLAGS)" &&
        make -C src modules modules="${modules[*]/#/modules/}"
}

# shellcheck disable=SC2016
version=$(dpkg-query --show --showformat '${Version}' kamailio)
mapfile -t before < <(installed_packages)

if ! source_files "$version" >/dev/null 2>&1; then
    grep '^deb ' /etc/apt/sources.list | while read -r _ where; do echo "deb-src $where"; done >"$deb_src" ||
        fail "apt knows no source packages (deb-src)"
    apt-get update -qq
fi
apt-get install --yes -qq "${build_packages[@]}" >/dev/null
cd "$work"
fetch_source "$version"
cd source
for module in "${modules[@]}"; do
    patch --quiet --force -p1 <"$patches/$module.patch" ||
        fail "$module.patch does not fit Kamailio $version: is the fault fixed there?"
done
build_modules >../log 2>&1 || {
    tail -n 40 ../log >&2
    fail "the modules could not be built: ${modules[*]}"
}
for module in "${modules[@]}"; do
    path=$(installed_module "$module")
    strip --strip-unneeded "src/modules/$module/$module.so"
    install -m 0644 "src/modules/$module/$module.so" "$path"
done
cd /

installed_packages |
    grep --fixed-strings --line-regexp --invert-match --file=<(printf '%s\n' "${before[@]}") |
    xargs apt-get purge --yes -qq >/dev/null
