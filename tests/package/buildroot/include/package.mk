# Packages as the buildroot makes them: prepared, compiled, installed into a directory of their own,
# and described in its CONTROL/.

PKGARCH?=$(ARCH_PACKAGES)
VERSION:=$(if $(PKG_VERSION),$(PKG_VERSION)-r$(PKG_RELEASE),$(PKG_SRC_VERSION))
PKG_BUILD_DIR:=$(BUILD_DIR)/$(PKG_NAME)
PKG_INSTALL_DIR:=$(PKG_BUILD_DIR)/ipkg-install

# What can be had on the device: "+x" and "x" are packages, "@x" is a condition of the buildroot.
depends=$(subst $() ,$(comma) ,$(strip libc $(subst +,,$(filter-out @%,$(1)))))

# Hands the lines of Package/$(1)/$(2) to the shell of the recipes.
_define:=define
_endef:=endef
define export_lines
$(eval $(_define) LINES_$(2)
$(value Package/$(1)/$(2))
$(_endef)
export LINES_$(2))
endef

define script
printf '%s\n' '#!/bin/sh' $(2) '[ -s $${IPKG_INSTROOT}/lib/functions.sh ] || exit 0' \
		'. $${IPKG_INSTROOT}/lib/functions.sh' 'default_$(1) $$0 $$@' > "$$control/$(1)"; \
	chmod 0755 "$$control/$(1)"
endef

# What is to be kept and is no file of the package is listed for sysupgrade.
define BuildPackage
$(eval $(Package/$(1)))
$(call export_lines,$(1),conffiles)
$(call export_lines,$(1),description)
$(call export_lines,$(1),postinst)
packages: package-$(1)
.PHONY: package-$(1)
package-$(1): root:=$(STAGE)/$(1)
package-$(1): compiled
	rm -rf "$$(root)"
	install -d -m0755 "$$(root)/CONTROL"
	$$(call Package/$(1)/install,$$(root))
	@set -e; umask 022; root="$$(root)"; control="$$$$root/CONTROL"; \
	for path in $$$$LINES_conffiles; do \
		if [ -f "$$$$root$$$$path" ]; then \
			echo "$$$$path" >> "$$$$control/conffiles"; \
		else \
			mkdir -p "$$$$root/lib/upgrade/keep.d"; \
			echo "$$$$path" >> "$$$$root/lib/upgrade/keep.d/$(1)"; \
		fi; \
	done; \
	{ \
		echo 'Package: $(1)'; \
		echo 'Version: $(VERSION)'; \
		echo 'Depends: $(call depends,$(DEPENDS))'; \
		echo 'Source: $(PKG_NAME)'; \
		echo 'SourceName: $(PKG_NAME)'; \
		echo 'License: $(PKG_LICENSE)'; \
		$(if $(PKG_LICENSE_FILES),echo 'LicenseFiles: $(PKG_LICENSE_FILES)';) \
		echo 'Section: $(SECTION)'; \
		echo "SourceDateEpoch: $$$$SOURCE_DATE_EPOCH"; \
		$(if $(URL),echo 'URL: $(URL)';) \
		$(if $(PKG_MAINTAINER),echo 'Maintainer: $(PKG_MAINTAINER)';) \
		echo 'Architecture: $(PKGARCH)'; \
		echo 'Installed-Size: 0'; \
		printf 'Description: '; \
		echo "$$$$LINES_description" | sed -e 's,^[[:space:]]*, ,'; \
	} > "$$$$control/control"; \
	$$(call script,postinst,'[ "$$$${IPKG_NO_SCRIPT}" = "1" ] && exit 0'); \
	$$(call script,prerm); \
	if [ -n "$$$$LINES_postinst" ]; then \
		echo "$$$$LINES_postinst" > "$$$$control/postinst-pkg"; \
		chmod 0755 "$$$$control/postinst-pkg"; \
	fi
endef

# What was built already takes the place of sources and compiler.
define take_binary
	$(INSTALL_DIR) "$(PKG_INSTALL_DIR)/bin"
	$(INSTALL_BIN) "$(BINARY)" "$(PKG_INSTALL_DIR)/bin/socketman"
endef

define build_sources
	rm -rf "$(PKG_BUILD_DIR)"
	mkdir -p "$(PKG_BUILD_DIR)"
	$(Build/Prepare)
	$(Build/Compile)
endef

.PHONY: compiled
compiled:
	$(if $(value Build/Compile),$(if $(BINARY),$(take_binary),$(build_sources)))
