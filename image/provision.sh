#!/bin/bash
# Runs one stage of making the C4 machine image out of a Debian 13 root, from inside that root: on the
# build instance of EC2 Image Builder, or in a chroot for the local cloud. Both run the same scripts,
# so that both images are the same.
#
#   provision.sh os SIP_PACKAGES   Debian packages, Kamailio, users (needs a Debian mirror)
#   provision.sh tools PAYLOAD     Consul, consul-template and the Python environment (no network)
#   provision.sh app PAYLOAD       our code (no network, a second)
#
# Only for machines of the local cloud, on top of `os`:
#
#   provision.sh lab CA            what a machine needs to boot there; CA is a certificate file
#   provision.sh rds               PostgreSQL, for the stand-in of RDS (needs a Debian mirror)
#
# SIP_PACKAGES is `debian13` or `backports`; docs/image.md says what that is.
# PAYLOAD is a directory made by `python -m image payload`. The stages of the AMI may run again on their
# own result.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    echo "provision.sh: $*" >&2
    exit 2
}

stage=${1:-}
case "$stage" in
    os | tools | app | lab | rds) ;;
    *) fail "unknown stage '$stage'; allowed: os, tools, app, lab, rds" ;;
esac
[ "$(id -u)" = 0 ] || fail "must run as root"
shift
exec bash "$here/stages/$stage.sh" "$@"
