#!/bin/sh
# The test of the package, as the CI of openwrt/packages runs it on a device of each kind:
# test.sh PKG_NAME PKG_VERSION

case "$1" in
socketman)
	socketman --version | grep -x -F "socketman $2"
	;;
esac
