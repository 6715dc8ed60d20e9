# Runs a command in bash at /testbed, inside the namespaces that unshare has made.
#
# $1 the tree  $2 what is laid over /usr  $3 a native CPython, or nothing  $4 a configuration of git
# $5 the host's name  $6 the command
set -e
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
mount --bind "$1" /testbed
mount -t overlay overlay -o "lowerdir=$2:/usr" /usr
if [ -n "$3" ]; then
    mount --bind "$3/lib/python3.13" /usr/local/lib/python3.13
fi
mount -t tmpfs -o mode=755 tmpfs /home
mkdir /home/user
cp "$4" /home/user/.gitconfig
mount -t tmpfs -o mode=700 tmpfs /root
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=1777 tmpfs /tmp
# What is not one of the above stays as it is; where this is refused, the host has locked it itself.
mount -o remount,bind,ro / || true
hostname "$5"
cd /testbed
set +e
PATH=/usr/local/bin:/usr/bin:/bin
# Not exec: process 1 of a namespace ignores signals that it has no handler for.
env -u SHLVL -u OLDPWD -u _ bash --norc --noprofile -c "$6"
exit $?
