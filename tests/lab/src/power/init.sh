#!/bin/busybox sh
# shellcheck shell=dash
# The first process of the machine.
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
$b mount -t tmpfs -o mode=755 tmpfs /tmp
for module in /lib/modules/*.ko; do
	case $module in
	*-flash.ko) $b xargs $b insmod "$module" < /etc/flash ;;
	*) $b insmod "$module" ;;
	esac || echo "$module is not loaded"
done
$b mount -t squashfs -o loop /rom.squashfs /rom
exec /bin/socketman-power guest
