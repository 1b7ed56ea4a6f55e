#!/bin/sh
# Builds the scratch machine that systemd_harness.py boots, from inside namespaces of its own (mount, PID, IPC, UTS,
# cgroup), and becomes its PID 1.
#
# A systemd that boots prepares the machine that it finds: it empties /tmp, writes kernel settings, /var and /etc. It must
# never find the host's. So this makes a root of tmpfs in which everything of the host is read-only, moves into it, lets
# go of the host's root, and checks all that before anything of systemd is started.
#
# Arguments: the folder that becomes the root (an empty one of the test's), then every path of the host to show.
set -eu
# Run by hand it would take the host's own mounts for a machine's.
if [ $$ != 1 ]; then
    echo "$0 is the first process of a PID namespace, started by systemd_harness.py, and nothing else" >&2
    exit 1
fi
root=$1
shift

mount --make-rprivate /
mount -t tmpfs -o mode=755,size=256m machine "$root"

# What programs need, read-only. A link (/bin on a merged /usr) stays a link.
show() {
    if [ -L "$1" ]; then
        mkdir -p "$root$(dirname "$1")"
        [ -e "$root$1" ] || cp -P "$1" "$root$1"
    elif [ -e "$1" ]; then
        if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root$(dirname "$1")"; : >"$root$1"; fi
        mount --bind "$1" "$root$1"
        mount -o remount,bind,ro "$root$1"
    fi
}
for path in /usr /bin /sbin /lib /lib32 /lib64 /libx32; do show "$path"; done

cd "$root"
mkdir -p -m 755 etc dev proc sys run var/lib var/log home opt srv root old
mkdir -m 1777 tmp var/tmp
chmod 700 root
ln -s /run var/run
for name in group hosts ld.so.cache ld.so.conf ld.so.conf.d localtime nsswitch.conf passwd; do
    [ ! -e "/etc/$name" ] || cp -a "/etc/$name" etc/
done
mkdir -p etc/systemd/system etc/heldout
echo 0123456789abcdef0123456789abcdef >etc/machine-id
for path in "$@"; do show "$path"; done

# Of the units that ship with systemd only those that a service needs; nothing that prepares a machine.
units=$root/usr/lib/systemd/system
chosen=$root/run-units
mkdir -p "$chosen"
for name in basic.target multi-user.target network.target network-online.target paths.target shutdown.target \
    slices.target sockets.target sysinit.target timers.target time-sync.target umount.target local-fs.target \
    systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
    cp "$units/$name" "$chosen/"
done
mount --bind "$chosen" "$units"
# Not there already, and masked as well: this is what empties /tmp.
for name in systemd-tmpfiles-setup systemd-tmpfiles-setup-dev systemd-tmpfiles-clean; do
    ln -s /dev/null "etc/systemd/system/$name.service"
done
mkdir -p etc/systemd/system/multi-user.target.wants
for name in systemd-journald.service systemd-journald.socket; do
    ln -s "/usr/lib/systemd/system/$name" "etc/systemd/system/multi-user.target.wants/$name"
done

# Devices without a disk among them.
mount -t tmpfs -o mode=755,size=1m devices dev
for name in null zero full random urandom tty; do
    : >"dev/$name"
    mount --bind "/dev/$name" "dev/$name"
done
mkdir dev/shm dev/pts
mount -t tmpfs -o mode=1777,size=64m shared dev/shm
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx

mount -t proc proc proc
for name in sys sysrq-trigger; do
    [ -e "proc/$name" ] || continue
    mount --bind "proc/$name" "proc/$name"
    mount -o remount,bind,ro "proc/$name"
done
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755,size=64m run run

pivot_root . old
cd /
umount -l old
rmdir old
# Between the namespaces of the machine's own services: by this they see their credentials. The host is no peer of them.
mount --make-rshared /

# Were any of this not so, what follows would not start.
[ "$(stat -f -c %T /)" = tmpfs ]
[ "$(stat -f -c %T /tmp)" = tmpfs ]
[ "$(stat -f -c %T /var/tmp)" = tmpfs ]
if touch /usr/written 2>/dev/null || echo 1 2>/dev/null >/proc/sys/kernel/printk; then
    echo "the host can be written to" >&2
    exit 1
fi

# Neither the clock, nor modules, nor devices of the host.
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=heldout-test \
    setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-mknod,-syslog,-wake_alarm,-sys_boot \
    ${MACHINE_INIT:-/lib/systemd/systemd --system --unit=multi-user.target}
