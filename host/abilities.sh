#!/bin/sh
# Tries what the local cloud asks of this machine's kernel and of its user, in namespaces that vanish at
# once. Prints a line for each thing that does not work, and then ends with status 1. Programs that are
# not installed yet are not tried. Takes a tenth of a second, and needs nothing that a bare Debian lacks.
set -u
PATH=$PATH:/usr/sbin:/sbin
failed=0

try() { # try WHAT COMMAND...
    what=$1
    shift
    said=$("$@" 2>&1 </dev/null) && return
    printf '%s: %s\n' "$what" "$(printf '%s\n' "${said:-exit status $?}" | tail -n 1)"
    failed=1
    return 1
}

inside() { # in namespaces of its own: what a machine needs there
    try "no file system can be mounted" mount -t tmpfs tmpfs /tmp || return
    mkdir /tmp/lower /tmp/upper /tmp/work /tmp/root /tmp/group
    try "no overlay file system (overlayfs)" \
        mount -t overlay overlay -o lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work /tmp/root
    try "no control groups of version 2" mount -t cgroup2 cgroup2 /tmp/group &&
        try "no control group can be made" mkdir "/tmp/group/c4-try-$1" &&
        { try "processes of a control group cannot be killed (Linux 5.14)" \
            test -w "/tmp/group/c4-try-$1/cgroup.kill" || :; } &&
        rmdir "/tmp/group/c4-try-$1"
    if command -v ip >/dev/null; then
        try "no bridges" ip link add c4b type bridge
        try "no pairs of interfaces (veth)" ip link add c4v type veth peer name c4w
    fi
    if command -v nft >/dev/null; then
        try "no packet filter (nftables)" nft 'table inet c4try { map m { type ipv4_addr : ipv4_addr; };
            chain c { type filter hook input priority 0; ct state established accept; }; }'
    fi
}

if [ "${1:-}" = inside ]; then
    inside "$2"
    exit "$failed"
fi
if [ "$(uname -s)" != Linux ]; then
    echo "this is $(uname -s), and the machines are Linux namespaces"
    exit 1
fi
if [ "$(id -u)" != 0 ]; then
    echo "you are not root"
    exit 1
fi
try "no namespaces can be made" unshare --mount --net --uts --ipc --pid --fork \
    --propagation private true || exit 1
unshare --mount --net --uts --ipc --pid --fork --propagation private sh "$0" inside $$ || failed=1
exit "$failed"
