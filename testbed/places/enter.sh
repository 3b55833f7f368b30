#!/bin/sh
# Becomes the first process of a place: lays out its file systems as Docker does, then runs a command.
# Call it as the first process of new mount, pid, uts, ipc and cgroup namespaces: everything it mounts
# vanishes with them. The network namespace is the caller's (`docker run --network host`), because a
# place has to reach package mirrors. The local cloud's own traffic stays in namespaces of its own.
#
#   enter.sh LOWER DIRECTORY KIND CGROUPS USER BINDS COMMAND...
#
#   LOWER      directory with a bare Debian; stays as it is
#   DIRECTORY  has upper, work and root; `upper` gets what is written
#   KIND       privileged (`docker run --privileged`) or default (Docker's default capabilities)
#   CGROUPS    v1 or v2: what a container finds in /sys/fs/cgroup
#   USER       whose command it is: root, or a user of LOWER
#   BINDS      directories of the host that are visible, read-only, colon-separated; may be empty
set -eu
lower=$1 directory=$2 kind=$3 cgroups=$4 user=$5 binds=$6
shift 6
root=$directory/root
# What Docker leaves a container without --privileged.
capabilities=+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+setpcap
capabilities=$capabilities,+net_bind_service,+net_raw,+sys_chroot,+mknod,+audit_write,+setfcap

# The root of a container is an overlay. On an overlay no other one can keep its changes.
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"

mount -t tmpfs -o mode=0755,size=64m tmpfs "$root/dev"
for node in null zero full random urandom tty; do cp -a "/dev/$node" "$root/dev/"; done
if [ "$kind" = privileged ]; then # without the disks of the host, which nothing here has to see
    for node in /dev/loop-control /dev/loop[0-9] /dev/fuse; do
        [ ! -e "$node" ] || cp -a "$node" "$root/dev/"
    done
fi
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue"
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"

if [ "$cgroups" = v2 ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else # Docker mounts the hierarchies of version 1 only, although the kernel has the unified one too
    mount -t tmpfs -o mode=0755 tmpfs "$root/sys/fs/cgroup"
    for controllers in $(awk '$3 == "cgroup" {print $4}' /proc/self/mounts | tr ',' '\n' |
        grep -E '^(cpu|cpuacct|cpuset|memory|devices|freezer|blkio|pids|name=systemd)$'); do
        hierarchy=$root/sys/fs/cgroup/${controllers#name=}
        mkdir "$hierarchy"
        mount -t cgroup -o "${controllers}" cgroup "$hierarchy" || rmdir "$hierarchy"
    done
fi
for file in resolv.conf hosts hostname; do
    [ -e "$root/etc/$file" ] || : >"$root/etc/$file"
    mount --bind "$(readlink -f "/etc/$file")" "$root/etc/$file"
done
(
    IFS=:
    for bind in $binds; do
        mkdir -p "$root$bind"
        mount --bind -o ro "$bind" "$root$bind"
    done
)
if [ "$kind" = default ]; then
    mount -o remount,bind,ro "$root/sys"
    mount -o remount,bind,ro "$root/sys/fs/cgroup"
    for path in bus fs irq sys; do
        [ ! -e "$root/proc/$path" ] || mount --bind -o ro "$root/proc/$path" "$root/proc/$path"
    done
fi

cd "$root"
mkdir -p .host
pivot_root . .host
umount -l /.host
rmdir /.host
hostname place

[ "$user" = root ] || set -- setpriv --reuid="$user" --regid="$user" --init-groups "$@"
[ "$kind" = privileged ] || set -- setpriv --bounding-set="-all,$capabilities" --inh-caps=-all "$@"
# Not `exec`: somebody has to be the first process, and to outlive the command's own children.
"$@"
