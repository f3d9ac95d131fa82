//! The flash of the lab's router: images and packages that a device can be given, and the system that one
//! leaves there.
//!
//! ```text
//!  Image ─bytes─► sysupgrade (tests/lab/device) ─► Flash ─► System::flash ─► boot
//!  Package ─.ipk, .apk─► opkg, apk (tests/lab/device) ─► /usr/sbin/socketman, prerm and postinst
//! ```
//!
//! An image is small: filling, and metadata at its end as `fwtool` puts it there. The agent in an image is
//! always the one that the lab runs.

mod image;
mod package;
mod system;
mod tar;

pub use image::{Boots, Image, Release};
pub use package::{Agent, Package, Version};
pub use system::{Manager, System, AGENT, ROM_AGENT};
