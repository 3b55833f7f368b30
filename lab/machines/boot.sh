#!/bin/sh
# Boots one machine: own control group, own mount namespace (the overlay vanishes with the machine).
# Call it under `unshare --mount --propagation private`, outside of `ip netns exec`, which would hide
# the control groups.
#
#   boot.sh CGROUP LOWER DIRECTORY NETNS MACHINE HOSTNAME
set -eu
cgroup=$1 lower=$2 directory=$3 netns=$4 machine=$5 hostname=$6
echo $$ >"$cgroup/cgroup.procs"
# The unified hierarchy alone, whatever the host has beside it: one way of booting on every host.
[ "$(stat --file-system --format=%T /sys/fs/cgroup)" = cgroup2fs ] ||
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t overlay overlay \
    -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$directory/root"
# /sys small and writable, so that cloud-init finds the hypervisor's UUID and with it EC2.
export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1
exec systemd-nspawn --quiet --boot --register=no --keep-unit --machine="$machine" \
    --hostname="$hostname" --directory="$directory/root" --network-namespace-path="/run/netns/$netns" \
    --capability=CAP_NET_ADMIN,CAP_SYS_NICE --bind-ro="$directory/uuid:/sys/hypervisor/uuid" \
    --resolv-conf=off --timezone=off --link-journal=no --console=pipe --kill-signal=SIGRTMIN+3
