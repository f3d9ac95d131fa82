//! ubus, the bus of OpenWrt: knows nothing of SocketMan.
pub mod blob;
pub mod blobmsg;
mod de;
mod error;
pub mod message;
mod ser;

pub use de::{from_members, lenient};
pub use error::{Error, Malformed, Status};
pub use ser::to_members;
