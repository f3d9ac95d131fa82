# SPDX-License-Identifier: GPL-2.0-or-later
#
# The OpenWrt package, built from this checkout. Clone it to package/socketman of a buildroot or an
# SDK: 24.10.5 and later, 25.12 and later (their Rust is 1.89 or newer). See docs/install.md.

include $(TOPDIR)/rules.mk

PKG_NAME:=socketman
PKG_VERSION:=0.1.0
PKG_RELEASE:=1

PKG_MAINTAINER:=SocketMan maintainers <maintainers@users.noreply.r-seed-8a99f47b.example>
PKG_LICENSE:=GPL-2.0-or-later
PKG_LICENSE_FILES:=LICENSE

PKG_BUILD_DEPENDS:=rust/host
PKG_BUILD_PARALLEL:=1
# ring compiles C, and MIPS16 has no synchronisation instructions.
PKG_BUILD_FLAGS:=no-mips16

include $(INCLUDE_DIR)/package.mk
include $(TOPDIR)/feeds/packages/lang/rust/rust-package.mk

# Its own profile: the feed's environment overrides [profile.release].
CARGO_PKG_PROFILE:=openwrt

# The messages of a panic name source files; where they lay is of no use on a device.
CARGO_RUSTFLAGS+=--remap-path-prefix=$(CARGO_HOME)=/cargo --remap-path-prefix=$(PKG_BUILD_DIR)=/socketman

define Package/socketman
  SECTION:=admin
  CATEGORY:=Administration
  TITLE:=Statistics and remote jobs for fleets
  URL:=https://r-seed-8a99f47b.example/socketman
  DEPENDS:=$(RUST_ARCH_DEPENDS) +ca-bundle
endef

define Package/socketman/description
  Agent for fleets of access points and routers: collects statistics of stations,
  interfaces and the device and delivers them to an HTTP API, runs jobs that come
  over MQTT, watches whether the device reaches the world, and shows all of it on
  ubus.
endef

define Package/socketman/conffiles
/etc/config/socketman
/etc/socketman/config.json
/etc/socketman/state/keep/
endef

# The crate lies beside this file. The default copies the contents of ./src and leaves Cargo.toml
# behind. The desk, the operator's tool and the fuzzer are members of the workspace: cargo wants to see
# them, and does not build them.
define Build/Prepare
	$(CP) ./Cargo.toml ./Cargo.lock ./LICENSE ./build.rs ./src ./crates ./fleet $(PKG_BUILD_DIR)/
	$(INSTALL_DIR) $(PKG_BUILD_DIR)/tests
	$(CP) ./tests/lab ./tests/fuzz $(PKG_BUILD_DIR)/tests/
endef

define Package/socketman/install
	$(INSTALL_DIR) $(1)/usr/sbin
	$(INSTALL_BIN) $(PKG_INSTALL_DIR)/bin/socketman $(1)/usr/sbin/socketman
	$(INSTALL_DIR) $(1)/etc/init.d
	$(INSTALL_BIN) ./files/socketman.init $(1)/etc/init.d/socketman
	$(INSTALL_DIR) $(1)/etc/config
	$(INSTALL_CONF) ./files/socketman.config $(1)/etc/config/socketman
	$(INSTALL_DIR) $(1)/etc/uci-defaults
	$(INSTALL_BIN) ./files/socketman.defaults $(1)/etc/uci-defaults/80_socketman
endef

$(eval $(call RustBinPackage,socketman))
$(eval $(call BuildPackage,socketman))
