# A stand-in of OpenWrt's buildroot: as much of it as the Makefiles of this project use, so that the
# same Makefiles make the packages where there is no SDK. tests/package/build calls it with
#
#   BUILD_DIR     where sources are prepared and built
#   STAGE         where each package gets a directory with its files and CONTROL/
#   ARCH_PACKAGES architecture of what is compiled
#   BINARY        an agent that is built already; empty = build one
#
# and the goal "packages".

INCLUDE_DIR:=$(TOPDIR)/include

CP:=cp -fpR
INSTALL_DIR:=install -d -m0755
INSTALL_BIN:=install -m0755
INSTALL_DATA:=install -m0644
INSTALL_CONF:=install -m0600

comma:=,

.DEFAULT_GOAL:=packages
.PHONY: packages
