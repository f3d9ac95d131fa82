# How the feed "luci" makes a package of an app: htdocs/ is what the web server shows, root/ is
# everything else.

LUCI_NAME:=$(notdir $(CURDIR))
PKG_NAME:=$(LUCI_NAME)
PKG_MAINTAINER?=$(LUCI_MAINTAINER)
PKGARCH:=$(or $(LUCI_PKGARCH),all)

# An app without a version of its own has that of its last commit: the day, the second of the day, and
# the commit.
PKG_SRC_VERSION:=$(shell set -- $$(git log -1 --format='%ct %h' --abbrev=7 -- . 2>/dev/null || echo 0 unknown); \
	printf '%s.%05d~%s' "$$(date -u -d "@$$1" +%y.%j)" $$(($$1 % 86400)) "$$2")

include $(INCLUDE_DIR)/package.mk

define Package/$(LUCI_NAME)
  SECTION:=luci
  TITLE:=$(LUCI_TITLE)
  DEPENDS:=$(LUCI_DEPENDS)
endef

define Package/$(LUCI_NAME)/description
  $(or $(LUCI_DESCRIPTION),$(LUCI_TITLE))
endef

# The files of a checkout may be writable for a group; those of a device are not.
define Package/$(LUCI_NAME)/install
	$(INSTALL_DIR) $(1)/www
	[ ! -d htdocs ] || $(CP) htdocs/. $(1)/www/
	[ ! -d root ] || $(CP) root/. $(1)/
	chmod -R u=rwX,go=rX $(1)
endef

# rpcd reads new ACLs when it is told to, and LuCI forgets its menu.
define Package/$(LUCI_NAME)/postinst
[ -n "$${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache.*
	rm -rf /tmp/luci-modulecache/
	/etc/init.d/rpcd reload 2>/dev/null
	exit 0
}
endef

$(eval $(call BuildPackage,$(LUCI_NAME)))
