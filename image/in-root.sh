#!/bin/sh
# Runs a command in a chroot on an overlay: `LOWER` (colon-separated directories) stays as it is, what
# the command changes goes to UPPER. SHARED is visible inside as /run/c4-build, read-only.
# Call it under `unshare --mount --propagation private`: the mounts vanish with it.
#
#   in-root.sh LOWER UPPER WORK ROOT SHARED RESOLVER COMMAND...
#
# RESOLVER `host` lends the host's /etc/resolv.conf, `none` leaves the image's own.
set -eu
lower=$1 upper=$2 work=$3 root=$4 shared=$5 resolver=$6
shift 6
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir "$root/run/c4-build" "$root/run/lock"
mount --bind -o ro "$shared" "$root/run/c4-build"
if [ "$resolver" = host ] && [ -e "$root/etc/resolv.conf" ]; then
    mount --bind "$(readlink -f /etc/resolv.conf)" "$root/etc/resolv.conf"
fi
exec chroot "$root" "$@"
