# How the feed "packages" has cargo build a package, with the environment it does that in.

RUST_ARCH_DEPENDS:=@(aarch64||arm||i386||mips||mipsel||powerpc||riscv64||x86_64)

CARGO_HOME?=$(HOME)/.cargo

CARGO_PKG_VARS= \
	RUSTFLAGS="$(CARGO_RUSTFLAGS)" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 \
	CARGO_PROFILE_RELEASE_DEBUG=false \
	CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=false \
	CARGO_PROFILE_RELEASE_LTO=true \
	CARGO_PROFILE_RELEASE_OPT_LEVEL=z \
	CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=true \
	CARGO_PROFILE_RELEASE_PANIC=unwind \
	CARGO_PROFILE_RELEASE_RPATH=false

CARGO_PKG_PROFILE:=release
CARGO_PKG_ARGS:=--locked

define Build/Compile
	+$(CARGO_PKG_VARS) cargo install --force --profile $(CARGO_PKG_PROFILE) \
		--root "$(PKG_INSTALL_DIR)" --path "$(PKG_BUILD_DIR)" $(CARGO_PKG_ARGS)
endef

# The package brings its own recipe to install it.
define RustBinPackage
endef
