//! The OpenWrt package: what is in it, how it is installed, and what its scripts do on a device.
//!
//! The packages are those in the directory `SOCKETMAN_PACKAGES`, made by tests/package/build; without
//! it they are made here, with busybox in the place of the agent. Scripts run in a root of their own
//! (chroot, so as root) with busybox, whose ash runs them on OpenWrt too, and the stand-ins of
//! tests/package/device.

mod archive;
mod build;
mod defaults;
mod device;
mod guide;
mod init;
mod install;
mod ipk;
mod opkg;
